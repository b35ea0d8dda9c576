"""Grade one submission: pure work on files, no gradebook. It runs in a forked child with limits (grading/classrun/worker.py)."""

import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader import utils
from pydantic import Field

from grading.classrun.digests import submission_digest
from grading.classrun.frame import Frame
from grading.classrun.page import page
from grading.guard import timestamp_in
from grading.likeness import fingerprints
from grading.limits import CheckLimits
from grading.rebuild import learner_sources
from grading.registry import Check, learner_line
from grading.submission import Submission
from grading.verdict import Verdict, from_bad_evidence, not_judged
from grading.wording import as_text
from labkit.evidence import BadEvidence
from labkit.records import Strict

Judging = Callable[[str, float], tuple[Verdict, str]]


class Notebook(Strict):
    """One autograded notebook: its text as nbgrader writes it, repairs, and what goes into the gradebook by cell.

    `scores`: None waits for a person. `comments`: nbgrader's automatic comment on a solution cell, or None.
    """

    text: str
    repaired: list[str]
    scores: dict[str, float | None]
    comments: dict[str, str | None]


class Graded(Strict):
    """All that came of one submission. `faults` are the grader's own, for the log; `traces` is what grading.likeness.keep stores."""

    learner: str
    digest: str
    notebooks: dict[str, Notebook]
    verdicts: dict[str, Verdict]
    timestamp: str = ""
    faults: dict[str, str] = Field(default_factory=dict)
    traces: list[tuple[str, str, str]] = Field(default_factory=list)


@dataclass(frozen=True)
class Task:
    """What to do: the submission's folder, whose it is, and the verdicts of an earlier run that still hold."""

    folder: Path
    learner: str
    kept: Mapping[str, Verdict] = field(default_factory=dict)


def grade(task: Task, frame: Frame, judging: Judging) -> Graded:
    """Grade every notebook of the frame. `judging` gives (verdict, the grader's fault or "") for a grade id and its points."""
    verdicts: dict[str, Verdict] = {}
    faults: dict[str, str] = {}

    def verdict(grade_id: str, points: float) -> Verdict:
        if grade_id not in verdicts:  # a cell asks twice: for what it says, and for its score
            verdicts[grade_id] = task.kept.get(grade_id) or _judged(judging, grade_id, points, faults)
        return verdicts[grade_id]

    submission = judging.submission if isinstance(judging, Together) else Submission(task.folder, task.learner)
    notebooks = {name: _notebook(submission, frame, name, verdict) for name in frame.sanitised}
    traces = fingerprints(task.folder, task.learner, submission.shelf).rows
    return Graded(
        learner=task.learner, digest=submission_digest(task.folder, frame.sanitised, submission.shelf), notebooks=notebooks, verdicts=verdicts,
        timestamp=timestamp_in(task.folder)[0].decode(), faults=faults,
        traces=[(row.record, row.kind, row.value) for row in traces],
    )  # fmt: skip


@dataclass(frozen=True)
class Together:
    """A judging that shares what the checks of one submission read. A check that takes longer than `limits` allow counts as a fault."""

    submission: Submission
    checks: Mapping[str, Check]
    limits: CheckLimits

    def __call__(self, grade_id: str, points: float) -> tuple[Verdict, str]:
        """Return the verdict, and the grader's fault or ""."""
        check = self.checks.get(grade_id)
        if check is None:
            return not_judged(f"The grader has no check named {grade_id!r}."), f"no check {grade_id!r}"
        cpu, wall = time.process_time(), time.monotonic()
        try:
            said = check(self.submission, points)
        except BadEvidence as bad:
            said = from_bad_evidence(bad)
        except Exception as error:
            why = f"The check of this exercise stopped with {type(error).__name__} inside the grader."
            return not_judged(why), traceback.format_exc()[-4000:]
        if time.process_time() - cpu > self.limits.cpu_seconds or time.monotonic() - wall > self.limits.wall_seconds:
            return not_judged("The check of this exercise took too long inside the grader."), "over its time"
        earned = 0.0 if said.state == "not judged" else min(max(said.points, 0.0), points)
        return said.model_copy(update={"points": earned, "goal": learner_line(check)}), ""


def judge_together(task: Task, checks: Mapping[str, Check], limits: CheckLimits) -> Judging:
    """Return a judging in this process; `grade` shares what it reads."""
    return Together(Submission(task.folder, task.learner), checks, limits)


def _judged(judging: Judging, grade_id: str, points: float, faults: dict[str, str]) -> Verdict:
    verdict, fault = judging(grade_id, points)
    if fault:
        faults[grade_id] = fault
    return verdict


def _notebook(submission: Submission, frame: Frame, name: str, verdict: Callable[[str, float], Verdict]) -> Notebook:
    sources, repaired = learner_sources(page(frame.released[name]).cells, submission, name)
    sanitised = page(frame.sanitised[name])
    changed: dict[int, NotebookNode] = {}
    scores: dict[str, float | None] = {}
    comments: dict[str, str | None] = {}
    for place in sanitised.live:
        ours = sanitised.cells[place]
        cell = _filled(ours, sources, verdict)
        if cell is not ours:
            changed[place] = cell
        marks = cell.metadata.get("nbgrader", {})
        if utils.is_grade(cell):
            scores[marks["grade_id"]] = _score(cell, verdict)
        if utils.is_solution(cell) or utils.is_task(cell):
            untouched = marks.get("checksum") == utils.compute_checksum(cell) and not utils.is_task(cell)
            comments[marks["grade_id"]] = "No response." if untouched else None
    return Notebook(text=sanitised.text(changed), repaired=repaired, scores=scores, comments=comments)


def _filled(cell: NotebookNode, sources: Mapping[str, str], verdict: Callable[[str, float], Verdict]) -> NotebookNode:
    """Return the cell with the learner's source or the verdict's output in it; the cell itself when there is nothing to put in."""
    marks: dict[str, Any] = cell.metadata.get("nbgrader", {})
    put: dict[str, Any] = {}
    if utils.is_solution(cell) and marks["grade_id"] in sources:
        put["source"] = sources[marks["grade_id"]]
    if cell.cell_type == "code":
        graded = utils.is_grade(cell) and not utils.is_solution(cell)
        put["outputs"] = outputs(verdict(marks["grade_id"], float(marks["points"])), float(marks["points"])) if graded else []
    return NotebookNode({**cell, **put}) if any(cell.get(key) != value for key, value in put.items()) else cell


def outputs(verdict: Verdict, points: float) -> list[NotebookNode]:
    """Return a grade cell's outputs. nbgrader takes the first execute_result for the score; without one a cell has full points."""
    # plain nodes: nbformat's new_output would validate each by JSON schema, a tenth of the time of a submission
    score = {"output_type": "execute_result", "execution_count": None, "metadata": {}, "data": {"text/plain": repr(float(verdict.points))}}
    told = {"output_type": "stream", "name": "stdout", "text": as_text(verdict, points)}
    return [nbformat.from_dict(told), nbformat.from_dict(score)]


def _score(cell: NotebookNode, verdict: Callable[[str, float], Verdict]) -> float | None:
    if cell.cell_type == "code" and not utils.is_solution(cell):
        said = verdict(cell.metadata.nbgrader["grade_id"], float(cell.metadata.nbgrader["points"]))
        return None if said.state == "not judged" else said.points
    score, _ = utils.determine_grade(cell)
    return None if score is None else float(score)
