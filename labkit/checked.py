"""The visible checks of all exercises at once. A check runs again only when a file that it read has changed.

Checks read libraries and traces: all of them take half a second. What they said last is kept in a file that may vanish at any time.
"""

import contextlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from labkit.checks import visible_check
from labkit.evidence import Evidence
from labkit.records import ProducedFile, Record
from labkit.rows import Row, evaluate

NOTHING_YET = "nothing recorded yet"  # what labkit.rows.evaluate says of a record that is not there


@dataclass(frozen=True)
class Outcome:
    """What a visible check said: whether the exercise was begun, and the first row that is not right (None when all are)."""

    begun: bool
    wrong: Row | None


class _Watched(Evidence):
    """Evidence that notes which files were asked for."""

    def __init__(self, folder: Path, owner: str) -> None:
        super().__init__(folder, owner)
        self.asked: set[str] = set()

    def has(self, record_id: str) -> bool:
        self.asked.add(f"{record_id}.json")
        return super().has(record_id)

    def ids(self) -> list[str]:
        self.asked.add(".")  # a folder's own time changes with the names in it
        return super().ids()

    def record(self, record_id: str) -> Record:
        self.asked.add(f"{record_id}.json")
        return super().record(record_id)

    def digest(self, record_id: str) -> str:
        self.asked.add(f"{record_id}.json")
        return super().digest(record_id)

    def file(self, produced: ProducedFile) -> bytes:
        self.asked.add(produced.path)
        return super().file(produced)


def outcomes(evidence: Evidence, grade_ids: Iterable[str], kept: Path | None = None) -> dict[str, Outcome]:
    """Return what each visible check says; `kept` is the file that remembers what they said last."""
    stamp = f"{_stamp()} {evidence.folder.resolve()} {evidence.owner}"
    known = _remembered(kept, stamp) if kept else {}
    valid = {name: said for name, said in known.items() if _unchanged(said, evidence.folder)}
    fresh = {name: valid.get(name) or _ask(name, evidence) for name in grade_ids}
    if kept and fresh != known:
        _remember(kept, stamp, fresh)
    return {name: _outcome(said) for name, said in fresh.items()}


def _ask(grade_id: str, evidence: Evidence) -> dict[str, Any]:
    watched = _Watched(evidence.folder, evidence.owner)
    rows = evaluate(visible_check(grade_id), watched)
    wrong = next((row for row in rows if not row.ok), None)
    files = {name: _state(evidence.folder, name) for name in sorted(watched.asked)}
    return {"files": files, "begun": rows[0].seen != NOTHING_YET, "wrong": asdict(wrong) if wrong else None}


def _outcome(said: dict[str, Any]) -> Outcome:
    return Outcome(said["begun"], Row(**said["wrong"]) if said["wrong"] else None)


def _unchanged(said: dict[str, Any], folder: Path) -> bool:
    return all(_state(folder, name) == state for name, state in said["files"].items())


def _state(folder: Path, name: str) -> list[int] | None:
    """What changes when a file does; None when it is not there. `name` is only looked at, so it may be a stranger's."""
    try:
        found = (folder / name).lstat()
    except (OSError, ValueError):
        return None
    return [found.st_mtime_ns, found.st_size, found.st_ino]


def _stamp() -> str:
    """What changes when the course does: checks of another version say other things."""
    files = [path for path in Path(__file__).parent.rglob("*") if path.suffix in (".py", ".json")]
    return f"{len(files)} {max(path.stat().st_mtime_ns for path in files)}"


def _remembered(kept: Path, stamp: str) -> dict[str, dict[str, Any]]:
    try:
        found = json.loads(kept.read_text())
        if found["stamp"] != stamp:
            return {}
        return {name: said for name, said in found["checks"].items() if _outcome(said) and isinstance(said["files"], dict)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _remember(kept: Path, stamp: str, checks: dict[str, dict[str, Any]]) -> None:
    from labkit.recorder import write_atomically

    with contextlib.suppress(OSError):
        write_atomically(kept, json.dumps({"stamp": stamp, "checks": checks}))
