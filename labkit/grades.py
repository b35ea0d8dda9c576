"""The grades that an instructor gave back: `feedback/grades.json` beside the notebooks, shown but never trusted for anything."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labkit.evidence import BadEvidence, Missing, parse_json, read_bounded

NAME = "feedback/grades.json"
MAX_BYTES = 256 * 1024
MOST = 1000  # points of one exercise; more is a damaged file


@dataclass(frozen=True)
class Grades:
    """Points by grade id, as (points, of how many); `note` says why a file that is there is not shown."""

    points: dict[str, tuple[float, float]] = field(default_factory=dict)
    note: str = ""


def returned_grades(folder: Path, learner: str) -> Grades:
    """Read what was given back to this learner: {"learner": .., "exercises": {GRADE-ID: {"points": .., "max": ..}}}."""
    try:
        said = parse_json(read_bounded(folder, NAME, MAX_BYTES), NAME)
    except Missing:
        return Grades()
    except BadEvidence as bad:
        return Grades(note=str(bad).replace("as the lesson wrote it. Run that cell again.", "as your instructor gave it back."))
    exercises = said.get("exercises") if isinstance(said, dict) else None
    if not isinstance(exercises, dict):
        return Grades(note=f'{NAME}: no grades in it. Expected {{"learner": .., "exercises": ..}}. Ask for the file again.')
    if said.get("learner") != learner:
        whose = f"{said.get('learner')!s:.64}"
        return Grades(note=f"{NAME}: the grades of {whose!r}. Expected those of {learner!r}, so they are not shown. Whose file is it?")
    return Grades({name: both for name, entry in exercises.items() if (both := _points(entry))})


def _points(entry: Any) -> tuple[float, float] | None:
    if not isinstance(entry, dict):
        return None
    points, maximum = _number(entry.get("points")), _number(entry.get("max"))
    return (points, maximum) if 0 <= points <= maximum <= MOST else None


def _number(value: Any) -> float:
    """The number, or NaN, which no comparison holds for."""
    return float(value) if type(value) in (int, float) and abs(value) <= MOST else math.nan
