"""When two submissions are the same: a digest of all that a grade can depend on."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from labkit.evidence import BadEvidence, read_bounded

MAX_FILES = 5_000  # an honest submission has about 120
MAX_BYTES = 16 * 1024 * 1024  # of one file; a larger one is told by its size alone, no check reads it
UNBOUNDED = ""  # the digest of a submission that is too large to be known again


def submission_digest(folder: Path, notebooks: Iterable[str]) -> str:
    """Return the SHA-256 over all that a grade can depend on: notebooks, evidence, time stamp. UNBOUNDED for more than MAX_FILES files."""
    names = [f"{name}.ipynb" for name in notebooks] + ["timestamp.txt"]
    for number, path in enumerate(files_under(folder / "evidence")):
        if number >= MAX_FILES:
            return UNBOUNDED
        names.append(str(path.relative_to(folder)))
    total = hashlib.sha256()
    for name in sorted(names):
        total.update(f"{name!r} {_told(folder, name)}\n".encode("utf-8", "replace"))
    return total.hexdigest()


def files_under(folder: Path) -> Iterator[Path]:
    """Yield what lies under a folder, following no link."""
    if folder.is_symlink() or not folder.is_dir():
        return
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            yield from files_under(path)
        else:
            yield path


def _told(folder: Path, name: str) -> str:
    try:
        return hashlib.sha256(read_bounded(folder, name, MAX_BYTES)).hexdigest()
    except BadEvidence as bad:
        return str(bad)
