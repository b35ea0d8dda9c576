"""A submission as bytes, for a node that does not see this machine's files: what a check can read, and nothing else."""

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

from grading.classrun.digests import MAX_BYTES, MAX_FILES, files_under
from labkit.evidence import BadEvidence, read_bounded


def pack(folder: Path, notebooks: Iterable[str]) -> bytes:
    """Return the regular files of a submission as a tar; links, pipes and files too large for any check are left out."""
    names = [f"{name}.ipynb" for name in notebooks] + ["timestamp.txt"]
    for number, path in enumerate(files_under(folder / "evidence")):
        if number >= MAX_FILES:
            break
        names.append(str(path.relative_to(folder)))
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in names:
            _add(archive, folder, name)
    return stream.getvalue()


def unpack(packed: bytes, folder: Path) -> None:
    """Write a packed submission into an empty folder."""
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")


def _add(archive: tarfile.TarFile, folder: Path, name: str) -> None:
    try:
        data = read_bounded(folder, name, MAX_BYTES)
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    except (BadEvidence, ValueError):
        return
