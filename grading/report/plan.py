"""What the assignment holds: lessons and exercises in course order, with the titles that learners know."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from grading.catalogue import BadCatalogue, load_catalogue


@dataclass(frozen=True)
class Exercise:
    """One graded cell. `by_hand` is one that no check looks at."""

    grade_id: str
    title: str
    points: float
    by_hand: bool


@dataclass(frozen=True)
class Lesson:
    """One notebook and its exercises."""

    name: str
    title: str
    exercises: tuple[Exercise, ...]

    @property
    def points(self) -> float:
        """What the lesson is worth."""
        return sum(exercise.points for exercise in self.exercises)

    @property
    def prefixes(self) -> frozenset[str]:
        """The first words of its grade ids; the ids of its evidence start with the same."""
        return frozenset(exercise.grade_id.split("-")[0] for exercise in self.exercises)


@dataclass(frozen=True)
class GradedCell:
    """One graded cell as the gradebook knows it. `by_hand`: a written answer or a task."""

    notebook: str
    grade_id: str
    points: float
    by_hand: bool


def plan(cells: Iterable[GradedCell]) -> tuple[Lesson, ...]:
    """Return the lessons that the gradebook's cells make: in the catalogue's order, others after it."""
    by_notebook: dict[str, list[GradedCell]] = {}
    for cell in sorted(cells, key=lambda cell: _place(cell.grade_id)):
        by_notebook.setdefault(cell.notebook, []).append(cell)
    lessons, exercises = _titles()
    return tuple(
        Lesson(name, lessons.get(name, ""), tuple(_exercise(cell, exercises) for cell in listed))
        for name, listed in sorted(by_notebook.items())
    )


def _exercise(cell: GradedCell, titles: dict[str, str]) -> Exercise:
    return Exercise(cell.grade_id, titles.get(cell.grade_id, cell.grade_id), cell.points, cell.by_hand)


@cache
def _places() -> dict[str, int]:
    try:
        return {exercise.grade_id: place for place, (_, exercise) in enumerate(load_catalogue().exercises())}
    except BadCatalogue:  # another course than ours: the gradebook's order
        return {}


def _place(grade_id: str) -> int:
    return _places().get(grade_id, len(_places()))


@cache
def _titles() -> tuple[dict[str, str], dict[str, str]]:
    """Return the titles of lessons and of exercises, as tools/build.py wrote them for learners."""
    course = json.loads(files("labkit").joinpath("course.json").read_text(encoding="utf-8"))
    lessons = {lesson["name"]: str(lesson["title"]) for lesson in course["lessons"]}
    exercises = {exercise["grade_id"]: str(exercise["title"]) for lesson in course["lessons"] for exercise in lesson["exercises"]}
    return lessons, exercises
