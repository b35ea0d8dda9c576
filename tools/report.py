"""The report of a course run: scores, times, every executed notebook with its plots, and what learners and instructors get to see."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbconvert import HTMLExporter

from grading.report.look import render
from grading.report.write import write_reports
from labkit.lane import Lane
from labkit.submit import ASSIGNMENT
from tools.grades import Score

WIDGET = "application/vnd.jupyter.widget-view+json"
TEMPLATES = Path(__file__).with_name("templates")


def write_report(
    folder: Path, run: Path, grade: Path, lane: Lane, executed: Sequence[Mapping[str, Any]], found: Mapping[str, Sequence[Score]]
) -> Path:
    """Write the report into `folder` and return its index page. Every text that did not come from us is escaped."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path in sorted(run.glob("*.ipynb")):
        (folder / f"{path.stem}.html").write_text(_notebook(path))
    for path in sorted((grade / "feedback").glob("*/*/*.html")):
        target = folder / "feedback" / path.parts[-3] / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    write_reports(grade, ASSIGNMENT, folder / "reports")
    index = folder / "index.html"
    index.write_text(_index(lane, executed, found))
    return index


def _notebook(path: Path) -> str:
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.pop("widgets", None)  # a page has no kernel: show the table that stands beside each widget
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET, None)
    body, _ = HTMLExporter(sanitize_html=False).from_notebook_node(notebook)  # our own notebooks
    return str(body)


def _index(lane: Lane, executed: Sequence[Mapping[str, Any]], found: Mapping[str, Sequence[Score]]) -> str:
    learners = sorted(found, reverse=True)
    by_learner = {learner: {score.grade_id: score for score in found[learner]} for learner in learners}
    exercises = found[learners[0]]
    return render(
        "course_run.html", TEMPLATES,
        lane=lane, executed=executed, learners=learners,
        rows=[(one.grade_id, [by_learner[learner][one.grade_id].points for learner in learners], one.maximum) for one in exercises],
        totals=[sum(score.points for score in found[learner]) for learner in learners],
        most=sum(one.maximum for one in exercises),
    )  # fmt: skip
