"""When two submissions are the same: a digest of all that a grade can depend on."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from labkit.evidence import BadEvidence, read_bounded
from labkit.settled import Shelf, sha256_of

MAX_FILES = 5_000  # an honest submission has about 120
MAX_DEPTH = 16  # folders in folders; an honest submission has two
MAX_BYTES = 16 * 1024 * 1024  # of one file; a larger one is told by its size alone, no check reads it
MAX_TOGETHER = 256 * 1024 * 1024  # bytes of all files; an honest submission has 9 million
UNBOUNDED = ""  # the digest of a submission that is too large to be known again


def submission_digest(folder: Path, notebooks: Iterable[str], shelf: Shelf | None = None) -> str:
    """Return the SHA-256 over all that a grade can depend on: notebooks, evidence, time stamp. UNBOUNDED for one beyond the limits.

    `shelf` may hold files of the evidence that were read before.
    """
    names = [f"{name}.ipynb" for name in notebooks] + ["timestamp.txt"]
    evidence = folder / "evidence"
    start = len(str(evidence)) - len("evidence")
    for number, path in enumerate(_under(evidence)):
        if number >= MAX_FILES:
            return UNBOUNDED
        names.append(path[start:])
    shelf = shelf if shelf is not None and shelf.folder == evidence else None
    total, together = hashlib.sha256(), 0
    for name in sorted(names):
        told, count = _told(folder, name, shelf)
        total.update(f"{name!r} {told}\n".encode("utf-8", "replace"))
        together += count
        if together > MAX_TOGETHER:
            return UNBOUNDED
    return total.hexdigest()


def files_under(folder: Path) -> Iterator[Path]:
    """Yield what lies under a folder, following no link; a folder that cannot be listed, or is nested too deep, as one of them."""
    return map(Path, _under(folder))


def _under(folder: Path) -> Iterator[str]:
    ahead = [(str(folder), 0)] if folder.is_dir() and not folder.is_symlink() else []
    while ahead:
        here, depth = ahead.pop()
        try:
            entries = sorted(os.scandir(here), key=lambda entry: entry.name) if depth < MAX_DEPTH else None
        except OSError:
            entries = None
        if entries is None:
            yield here
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                ahead.append((entry.path, depth + 1))
            else:
                yield entry.path


def _told(folder: Path, name: str, shelf: Shelf | None) -> tuple[str, int]:
    """Return a file's digest or what is wrong with it, and how many bytes it has."""
    try:
        inside = name.removeprefix("evidence/")
        kept = shelf.kept(inside) if shelf and inside != name else None  # a notebook has no namesake in evidence/
        data = read_bounded(folder, name, MAX_BYTES) if kept is None else kept
    except BadEvidence as bad:
        return str(bad), 0
    return sha256_of(data), len(data)
