"""Read scores out of nbgrader's gradebook."""

from dataclasses import dataclass
from pathlib import Path

from grading.catalogue import load_catalogue


@dataclass(frozen=True)
class Score:
    """Points of one learner in one exercise; `manual` when a human still has to look at it."""

    notebook: str
    grade_id: str
    points: float
    maximum: float
    manual: bool


def scores(gradebook: Path, assignment: str) -> dict[str, list[Score]]:
    """Return {learner: scores in course order}."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{gradebook}") as book:
        return {s.student.id: _scores(s) for s in book.assignment_submissions(assignment)}


def _scores(submission: object) -> list[Score]:
    found = {
        grade.name: Score(notebook.name, grade.name, float(grade.score or 0), float(grade.max_score), bool(grade.needs_manual_grade))
        for notebook in submission.notebooks  # type: ignore[attr-defined]
        for grade in notebook.grades
    }
    return [found[exercise.grade_id] for _, exercise in load_catalogue().exercises()]
