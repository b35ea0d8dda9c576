"""Read a lesson (MyST text) as a notebook in which exercises carry nbgrader's metadata and cells have stable ids.

An author writes an exercise as two cells. The solution cell has the option `:answer: GRADE-ID`, the check cell
`:grade: GRADE-ID` and `:points: N`; everything else is filled in here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jupytext
import yaml
from nbformat import NotebookNode

LESSONS = Path("lessons")
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
HIDDEN = """\
### BEGIN HIDDEN TESTS
from grading.award import award
award("{grade_id}", {points})
### END HIDDEN TESTS"""


class BadLesson(Exception):
    """A lesson breaks a rule. The text names file, place, and what to write instead."""


@dataclass(frozen=True)
class Exercise:
    """A graded exercise as its author wrote it; `title` is the heading it stands under."""

    grade_id: str
    title: str
    points: float


@dataclass(frozen=True)
class Lesson:
    """A lesson: its notebook with solutions and hidden lines, and what the course needs to know of it."""

    name: str
    title: str
    minutes: dict[str, float]  # measured, by lane
    gigabytes: dict[str, float]  # disk it needs, by lane
    exercises: tuple[Exercise, ...]
    notebook: NotebookNode


def lessons(folder: Path = LESSONS) -> list[Lesson]:
    """Read every lesson of the folder, in order. Raises BadLesson."""
    return [read(path) for path in sorted(folder.glob("[0-9][0-9]_*.md"))]


def read(path: Path) -> Lesson:
    """Read one lesson. Raises BadLesson when it cannot be read as one."""
    text = path.read_text()
    try:
        notebook = jupytext.reads(text, fmt="md:myst")
    except Exception as error:  # jupytext raises what its parsers raise
        raise BadLesson(f"{path}: not readable as MyST: {error}") from error
    facts = _front_matter(path, text)
    exercises = tuple(_mark(path, notebook))
    _identify(notebook)
    notebook.metadata = NotebookNode(kernelspec=KERNEL, language_info={"name": "python"})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return Lesson(path.stem, _title(path, notebook), facts["minutes"], facts["gigabytes"], exercises, notebook)


def _front_matter(path: Path, text: str) -> dict[str, Any]:
    _, _, rest = text.partition("---\n")
    facts = (yaml.safe_load(rest.partition("\n---\n")[0]) or {}).get("course")
    if not isinstance(facts, dict) or set(facts) != {"minutes", "gigabytes"}:
        raise BadLesson(f"{path}: the header needs `course:` with `minutes: {{cpu: .., cuda: ..}}` and `gigabytes: {{cpu: .., cuda: ..}}`.")
    return facts


def _title(path: Path, notebook: NotebookNode) -> str:
    first = notebook.cells[0]
    if first.cell_type != "markdown" or not first.source.startswith("# "):
        raise BadLesson(f"{path}: the first cell must start with the lesson's one H1, `# Title`.")
    return str(first.source.splitlines()[0][2:].strip())


def _mark(path: Path, notebook: NotebookNode) -> Iterator[Exercise]:
    """Turn the author's options into nbgrader's metadata, and yield the exercises."""
    heading, titles = "", dict[str, str]()  # an exercise is called after the heading that its task stands under
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            heading = next((line.lstrip("#").strip() for line in reversed(cell.source.splitlines()) if line.startswith("#")), heading)
        options = dict(cell.metadata)
        cell.metadata = NotebookNode({"tags": options["tags"]} if "tags" in options else {})
        if "answer" in options:
            cell.metadata.nbgrader = _marks(f"answer-{options['answer']}", solution=True)
            titles.setdefault(options["answer"], heading)
        if "grade" in options:
            yield _grade(path, cell, options, titles)


def _grade(path: Path, cell: NotebookNode, options: dict[str, Any], titles: dict[str, str]) -> Exercise:
    grade_id = options["grade"]
    if grade_id not in titles:
        raise BadLesson(f"{path}: the check of {grade_id!r} has no solution cell before it. Give one the option `:answer: {grade_id}`.")
    if not isinstance(options.get("points"), int | float) or options["points"] <= 0:
        raise BadLesson(f"{path}: the check of {grade_id!r} has no points. Add the option `:points: 2`.")
    points = float(options["points"])
    cell.metadata.nbgrader = _marks(grade_id, points=points)
    cell.source += "\n" + HIDDEN.format(grade_id=grade_id, points=points)
    return Exercise(grade_id, titles[grade_id], points)


def _marks(grade_id: str, *, solution: bool = False, points: float | None = None) -> NotebookNode:
    marks = NotebookNode(schema_version=3, grade_id=grade_id, grade=not solution, solution=solution, locked=not solution, task=False)
    if points is not None:
        marks.points = points
    return marks


def _identify(notebook: NotebookNode) -> None:
    """Give each cell an id that two builds agree on: its grade id, else its place among the cells that have none."""
    for number, cell in enumerate(notebook.cells):
        cell.id = cell.metadata.get("nbgrader", {}).get("grade_id", f"c{number:03d}")[:64]
