"""A learner's own journal: one line for each lesson opened, check looked at and record written, so that time can be added up.

It lies in the learner's folder as `journal.jsonl`. It is no evidence, it is never handed in, and nothing goes wrong without it.
"""

import contextlib
import json
import math
import os
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from labkit.evidence import BadEvidence, read_bounded

NAME = "journal.jsonl"
MAX_BYTES = 2**20  # some ten thousand lines; a day leaves a few hundred
MAX_LINE = 400  # bytes; a line of ours has about 130
PAUSE = 600.0  # seconds: whoever leaves no trace for ten minutes is elsewhere, or the machine works alone


@dataclass(frozen=True, order=True)
class Moment:
    """Something happened: `at` in seconds since 1970, in which lesson, and whether the lesson was opened just then."""

    at: float
    lesson: str
    opened: bool = False


class Journal:
    """Notes what one learner does in one lesson. A disk that is full or read-only costs the note, never the lesson."""

    def __init__(self, folder: Path, learner: str, lesson: str) -> None:
        self._path, self._learner, self._lesson = folder / NAME, learner, lesson

    def note(self, event: str, what: str = "") -> None:
        """Append a line: `event` is "open", "check" or "record", `what` the exercise or record."""
        line = {"at": round(time.time(), 1), "learner": self._learner, "lesson": self._lesson[:80], "event": event, "what": what[:80]}
        with contextlib.suppress(OSError):
            if _append(self._path, (json.dumps(line) + "\n").encode()) > MAX_BYTES:
                _forget_older_half(self._path)


def moments(folder: Path, learner: str) -> list[Moment]:
    """Return what the journal says of this learner, in order of time; lines that are no line of ours count as nothing."""
    try:
        lines = read_bounded(folder, NAME, 2 * MAX_BYTES).splitlines()
    except BadEvidence:  # not there, a pipe, or far too large
        return []
    return sorted(moment for line in lines if (moment := _moment(line, learner)) is not None)


def seconds_per_lesson(found: Iterable[Moment]) -> dict[str, float]:
    """Return seconds at work in each lesson: the time between two moments, where that is shorter than PAUSE.

    It belongs to the lesson of the later moment; when that one opened a lesson, to the lesson before.
    """
    spent: dict[str, float] = {}
    for before, after in pairwise(found):
        if after.at - before.at < PAUSE:
            lesson = before.lesson if after.opened else after.lesson
            spent[lesson] = spent.get(lesson, 0.0) + after.at - before.at
    return spent


def _append(path: Path, line: bytes) -> int:
    """Append a line in one write, which other processes cannot tear, and return the file's size in bytes. Raises OSError."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # a pipe must not wait for a reader
    descriptor = os.open(path, flags, 0o644)
    try:
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode):
            os.write(descriptor, line)
        return status.st_size
    finally:
        os.close(descriptor)


def _forget_older_half(path: Path) -> None:
    """Keep the newer half. A line that another process appends meanwhile may be lost: it is worth some seconds of an estimate."""
    from labkit.recorder import write_atomically

    lines = path.read_text(errors="replace").splitlines(keepends=True)
    kept: Iterator[str] = (line for line in lines[len(lines) // 2 :] if len(line) <= MAX_LINE)
    write_atomically(path, "".join(kept))


def _moment(line: bytes, learner: str) -> Moment | None:
    if len(line) > MAX_LINE:
        return None
    try:
        said = json.loads(line)
        at, lesson = float(said["at"]), said["lesson"]
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return None
    known = isinstance(lesson, str) and said.get("learner") == learner
    return Moment(at, lesson, said.get("event") == "open") if known and math.isfinite(at) and 0 <= at <= time.time() + PAUSE else None
