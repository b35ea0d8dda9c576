"""What the judge told: read back from the grade cells of an autograded notebook, where `grading.wording.as_text` put it."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grading.report.words import line
from grading.submission import marks_of
from labkit.evidence import BadEvidence, read_bounded

MAX_AUTOGRADED_BYTES = 32 * 1024 * 1024  # a rebuilt notebook: the released one with solution cells of at most 100,000 characters each
_STATE = re.compile(r"(PASSED|FAILED|NOT JUDGED): ")
_PART = re.compile(r"  (goal|seen|expected|next) +(.*)")
_VALUE = re.compile(r": |; | returned | raised ")
_COUNT = re.compile(r"^\d+ of \d+ ")  # "17 of 20 questions right"
_BROKEN = re.compile(r"\n {12}")
_NOTHING_YET = ("not there yet. Run the cell that makes it.", "is not there. Expected your solution in it.")  # how labkit's Missing ends
_ROUTINE = {"tags ['parameters']: dropped from a cell", "tags ['injected-parameters']: dropped from a cell"}  # ours, and papermill's


@dataclass(frozen=True)
class Told:
    """The lines of one verdict. The state is "passed", "failed" or "not judged"."""

    state: str
    goal: str = ""
    seen: str = ""
    expected: str = ""
    next: str = ""

    @property
    def untouched(self) -> bool:
        """True when the exercise left nothing behind: its cells have not run."""
        return self.seen.endswith(_NOTHING_YET)

    @property
    def what(self) -> str:
        """What was looked at in the row that failed: `seen` without the value, which differs between learners."""
        return line(_COUNT.sub("", _before_value(self.seen)), 120)


def told_in(folder: Path, notebook: str) -> dict[str, Told]:
    """Return {grade id: verdict} of an autograded notebook; empty when it is not there or is none."""
    found = {}
    for cell in _cells(_read(folder, f"{notebook}.ipynb")):
        grade_id, told = marks_of(cell).get("grade_id"), _told("".join(_printed(cell)))
        if isinstance(grade_id, str) and marks_of(cell).get("grade") and told:
            found[grade_id] = told
    return found


def repairs_in(folder: Path, notebook: str) -> list[str]:
    """Return what the normaliser repaired in a submitted notebook, less what every run of a notebook leaves behind."""
    report = _read(folder, f"{notebook}.repairs.json")
    listed = report.get("repaired") if isinstance(report, dict) else None
    return [line(one, 300) for one in listed if one not in _ROUTINE] if isinstance(listed, list) else []


def _read(folder: Path, name: str) -> Any:
    try:
        return json.loads(read_bounded(folder, name, MAX_AUTOGRADED_BYTES))
    except (BadEvidence, ValueError, RecursionError):
        return None


def _before_value(seen: str) -> str:
    """Return what stands before the value: a mark inside of brackets, as in `f({'a': 1}) returned 2`, does not end it."""
    parts = [seen[: found.start()] for found in _VALUE.finditer(seen)] or [seen]
    return next((part for part in parts if sum(map(part.count, "([{")) == sum(map(part.count, ")]}"))), parts[0])


def _cells(notebook: Any) -> list[dict[str, Any]]:
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    return [cell for cell in cells if isinstance(cell, dict)] if isinstance(cells, list) else []


def _printed(cell: dict[str, Any]) -> list[str]:
    outputs = cell.get("outputs")
    texts = [output.get("text") for output in outputs if isinstance(output, dict)] if isinstance(outputs, list) else []
    return [part for text in texts for part in (text if isinstance(text, list) else [text]) if isinstance(part, str)]


def _told(text: str) -> Told | None:
    """Read one verdict. Each of its parts is one line, but for where `as_text` broke it, whatever a submission wrote into it."""
    first, *rest = _BROKEN.sub(" ", text).split("\n")
    state = _STATE.match(first)
    parts = {found[1]: line(found[2]) for part in rest if (found := _PART.fullmatch(part))}
    return Told(state[1].lower(), **parts) if state else None
