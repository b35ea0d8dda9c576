"""All verdicts on one submission, without nbgrader: the same judge, the same checks, the same evidence."""

from dataclasses import dataclass
from pathlib import Path

from grading.catalogue import Catalogue, Exercise
from grading.judge import Judge
from grading.submission import learner_of
from grading.verdict import Verdict


@dataclass(frozen=True)
class Judged:
    """One exercise and its verdict."""

    notebook: str
    exercise: Exercise
    verdict: Verdict


class BadSubmission(Exception):
    """The path is not a submission. The text is written for the one who typed it."""


def submission_folder(path: Path) -> Path:
    """Return the folder, resolved. Raises BadSubmission when it is not a folder, or holds neither evidence nor notebooks."""
    folder = path.resolve()
    if not folder.is_dir():
        raise BadSubmission(
            f"{path}: not a folder. Expected submitted/<learner>/<assignment>, or a learner's notebooks/. Is the path right?"
        )
    if not (folder / "evidence").exists() and not any(folder.glob("*.ipynb")):
        raise BadSubmission(
            f"{path}: neither evidence/ nor a notebook in it. Expected submitted/<learner>/<assignment>. Is the path right?"
        )
    return folder


def learner_for(folder: Path) -> str:
    """Return whose submission it is: its folder name under submitted/, else what its evidence says, else "nobody"."""
    parents = folder.parents
    if len(parents) > 1 and parents[1].name == "submitted":
        return parents[0].name
    return learner_of(folder) or "nobody"


def judge_submission(folder: Path, learner: str, catalogue: Catalogue, judge: Judge) -> list[Judged]:
    """Return the verdict on every exercise that has a check, in lesson order; what a person reads has none."""
    return [
        Judged(notebook, exercise, judge.judge(folder, learner, exercise.grade_id, exercise.points))
        for notebook, exercise in catalogue.exercises()
        if not exercise.manual
    ]
