"""How far a learner is, read from files alone, so that it survives every restart: evidence, journal, returned grades."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from labkit.checked import Outcome, outcomes
from labkit.evidence import Evidence
from labkit.grades import Grades, returned_grades
from labkit.journal import moments, seconds_per_lesson
from labkit.rows import Row

State = Literal["not started", "begun", "checked", "graded", "for a person to read"]
REMEMBERED = Path("work") / "progress.json"


@dataclass(frozen=True)
class Standing:
    """Where one exercise stands. "begun": something is recorded, "checked": all that the visible check looks at is right; the grader knows more.

    `wrong` is the check's first row that is not right, `earned` the points once they are known.
    """

    lesson: str
    grade_id: str
    title: str
    points: float
    state: State
    wrong: Row | None = None
    earned: float | None = None

    @property
    def so_far(self) -> float:
        """The points as far as they can be known: those earned, else all of them once the check is content."""
        if self.earned is not None:
            return self.earned
        return self.points if self.state == "checked" else 0.0

    @property
    def open(self) -> bool:
        """Whether there is something left to do."""
        return self.state in ("not started", "begun")


@dataclass(frozen=True)
class LessonStanding:
    """Where one lesson stands. `planned` and `spent` are minutes; `questions` are (answered, of how many)."""

    name: str
    title: str
    objective: str
    planned: float
    spent: float
    questions: tuple[int, int]
    exercises: tuple[Standing, ...]


@dataclass(frozen=True)
class Overview:
    """The whole course of one learner; `note` says why returned grades are not shown."""

    learner: str
    lessons: tuple[LessonStanding, ...]
    note: str = ""

    @property
    def exercises(self) -> list[Standing]:
        """All exercises, in course order."""
        return [exercise for lesson in self.lessons for exercise in lesson.exercises]


def overview(folder: Path, learner: str, lane: str) -> Overview:
    """Read the standing of a learner from the notebooks' folder. `lane` picks the estimate of time."""
    evidence = Evidence(folder / "evidence", learner)
    grades = returned_grades(folder, learner)
    standings = survey(evidence, grades, folder / REMEMBERED)
    spent = seconds_per_lesson(moments(folder, learner))
    lessons = tuple(
        LessonStanding(
            lesson["name"], lesson["title"], lesson.get("objective", ""), float(lesson["minutes"].get(lane, 0)),
            spent.get(lesson["name"], 0.0) / 60, _questions(lesson, evidence), tuple(s for s in standings if s.lesson == lesson["name"]),
        )
        for lesson in course()["lessons"]
    )  # fmt: skip
    return Overview(learner, lessons, grades.note)


def survey(evidence: Evidence, grades: Grades | None = None, kept: Path | None = None) -> list[Standing]:
    """Return the standing of every exercise of the course, in course order; `kept` is where checks are remembered (see labkit.checked)."""
    asked = [(lesson["name"], exercise) for lesson in course()["lessons"] for exercise in lesson["exercises"]]
    found = outcomes(evidence, [exercise["grade_id"] for _, exercise in asked if not exercise.get("manual")], kept)
    points = grades.points if grades else {}
    return [_standing(lesson, exercise, found, points.get(exercise["grade_id"])) for lesson, exercise in asked]


def _standing(lesson: str, exercise: Mapping[str, Any], found: Mapping[str, Outcome], graded: tuple[float, float] | None) -> Standing:
    outcome = found.get(exercise["grade_id"])  # none for what a person reads
    graded = graded if graded and graded[1] == exercise["points"] else None  # another maximum is another course
    state: State = (
        "graded" if graded else "for a person to read" if outcome is None else "not started" if not outcome.begun
        else "begun" if outcome.wrong else "checked"
    )  # fmt: skip
    return Standing(
        lesson, exercise["grade_id"], exercise["title"], exercise["points"], state,
        outcome.wrong if outcome else None, graded[0] if graded else None,
    )  # fmt: skip


def course() -> dict[str, Any]:
    """Return the course as the builder read it from lessons/: name, title, objective, minutes and exercises of each lesson."""
    found: dict[str, Any] = json.loads(files("labkit").joinpath("course.json").read_text())
    return found


def _questions(lesson: Mapping[str, Any], evidence: Evidence) -> tuple[int, int]:
    """How many of a lesson's quiz questions have an answer on disk, of how many."""
    asked = lesson.get("questions", [])
    return sum(evidence.has(f"quiz-{name}") for name in asked), len(asked)
