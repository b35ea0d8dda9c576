"""How far a learner is, read from the evidence: it survives every restart because nothing else is kept."""

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal

from labkit.checks import visible_check
from labkit.evidence import Evidence
from labkit.rows import evaluate


@dataclass(frozen=True)
class Standing:
    """Where one exercise stands. "looks right" is what the visible check says; the grader knows more."""

    lesson: str
    grade_id: str
    title: str
    points: float
    state: Literal["not started", "not right yet", "looks right"]


def survey(evidence: Evidence) -> list[Standing]:
    """Return the standing of every exercise of the course, in course order."""
    return [
        Standing(lesson["name"], exercise["grade_id"], exercise["title"], exercise["points"], _state(exercise["grade_id"], evidence))
        for lesson in course()["lessons"]
        for exercise in lesson["exercises"]
    ]


def course() -> dict[str, Any]:
    """Return the course as the builder read it from lessons/: name, title, minutes and exercises of each lesson."""
    found: dict[str, Any] = json.loads(files("labkit").joinpath("course.json").read_text())
    return found


def _state(grade_id: str, evidence: Evidence) -> Literal["not started", "not right yet", "looks right"]:
    rows = evaluate(visible_check(grade_id), evidence)
    if all(row.ok for row in rows):
        return "looks right"
    return "not started" if rows[0].seen == "nothing recorded yet" else "not right yet"
