"""A submission without its disk, for a node that does not see this machine's files: what a check can read, and what it would refuse."""

import errno
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from grading.classrun.digests import MAX_BYTES, MAX_FILES, files_under
from labkit.evidence import BadEvidence, read_bounded

MAX_TOTAL = 256 * 1024 * 1024  # bytes of a whole submission; the course's are 8 MB, and memory holds a few for each processor


class TooLarge(Exception):
    """The submission is too large to travel. The text is written for the instructor."""


class Packed(NamedTuple):
    """One entry. `kind`: "file", or what stands in its place and is refused by every check: "link", "folder", "pipe", "large", "closed"."""

    name: str
    kind: str
    size: int
    data: bytes = b""


def pack(folder: Path, notebooks: Iterable[str]) -> list[Packed]:
    """Return the entries of a submission. What no check reads goes without its content, so that it is refused in the same words there.

    Raises TooLarge.
    """
    packed: list[Packed] = []
    total = 0
    for name in _names(folder, notebooks):
        entry = _entry(folder, name)
        total += len(entry.data) if entry else 0
        if total > MAX_TOTAL:
            raise TooLarge(f"its files are larger than {MAX_TOTAL // 2**20} MiB together, too large to travel; --engine local can grade it")
        packed += [entry] if entry else []
    return packed


def _names(folder: Path, notebooks: Iterable[str]) -> Iterator[str]:
    yield from (f"{name}.ipynb" for name in notebooks)
    yield from ("timestamp.txt", "evidence")
    for number, path in enumerate(files_under(folder / "evidence")):
        if number > MAX_FILES:  # one more, so that the node finds too many as well
            return
        yield str(path.relative_to(folder))


def _entry(folder: Path, name: str) -> Packed | None:
    try:
        status = (folder / name).lstat()
    except (OSError, ValueError):
        return None
    kinds = ((stat.S_ISLNK, "link"), (stat.S_ISDIR, "folder"), (stat.S_ISREG, "file"))
    kind = next((kind for is_one, kind in kinds if is_one(status.st_mode)), "pipe")
    if kind != "file" or status.st_size > MAX_BYTES:
        return Packed(name, "large" if kind == "file" else kind, status.st_size)
    try:
        return Packed(name, kind, status.st_size, read_bounded(folder, name, MAX_BYTES))
    except BadEvidence:
        return Packed(name, "closed", 0)


def unpack(packed: Iterable[Packed], folder: Path) -> None:
    """Write the entries into an empty folder. Raises OSError."""
    made = {folder}
    for entry in packed:
        path = folder / entry.name
        if path.parent not in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            made.add(path.parent)
        _WRITE[entry.kind](path, entry)


def _write_large(path: Path, entry: Packed) -> None:
    path.touch()
    os.truncate(path, entry.size)  # a hole, which takes no room


_WRITE: dict[str, Callable[[Path, Packed], object]] = {
    "file": lambda path, entry: path.write_bytes(entry.data),
    "link": lambda path, _: path.symlink_to("nowhere"),
    "folder": lambda path, _: path.mkdir(exist_ok=True),
    "pipe": lambda path, _: os.mkfifo(path),
    "large": _write_large,
    "closed": lambda path, _: path.touch(mode=0),
}


@contextmanager
def unpacked(packed: Iterable[Packed]) -> Iterator[Path]:
    """Hand out a folder with the entries, and remove it. What a process that was killed left is removed by the next. Raises OSError."""
    folder, held = _place()
    try:
        unpack(packed, folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def _place() -> tuple[Path, int]:
    """Return a new folder and the lock by which others see that somebody is at work in it."""
    top = Path(tempfile.gettempdir()) / f"day2-grading-{os.getuid()}"
    top.mkdir(mode=0o700, exist_ok=True)
    gate = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(gate).st_uid != os.getuid():
            raise PermissionError(errno.EPERM, "it belongs to somebody else", str(top))
        fcntl.flock(gate, fcntl.LOCK_EX)  # so that nobody sweeps between the next two steps
        _sweep(top)
        folder = Path(tempfile.mkdtemp(dir=top))
        return folder, _locked(folder)
    finally:
        os.close(gate)


def _sweep(top: Path) -> None:
    """Remove folders whose process is gone, and its lock with it."""
    for left in top.iterdir():
        with suppress(OSError):  # locked: somebody is at work in it; or no folder of ours
            held = _locked(left)
            shutil.rmtree(left, ignore_errors=True)
            os.close(held)


def _locked(folder: Path) -> int:
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(held)
        raise
    return held
