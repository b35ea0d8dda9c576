"""Read a lesson (MyST text) as a notebook in which exercises carry nbgrader's metadata and cells have stable ids.

An author writes an exercise as two cells. The solution cell has the option `:answer: GRADE-ID`, the check cell
`:grade: GRADE-ID` and `:points: N`; everything else is filled in here. An answer that a person grades is one text cell that
begins with `+++ {"manual": "GRADE-ID", "points": N}`. A question of the quiz is an empty code cell with the option `:quiz: ID`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jupytext
import yaml
from nbformat import NotebookNode

from tools.quiz import QUIZ, Authored, BadLesson, cell_source, read_quiz

__all__ = ["BadLesson", "Exercise", "Lesson", "Question", "headings", "lessons", "read"]
LESSONS = Path("lessons")
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
HIDDEN = """\
### BEGIN HIDDEN TESTS
from grading.award import award
award("{grade_id}", {points})
### END HIDDEN TESTS"""


@dataclass(frozen=True)
class Exercise:
    """A graded exercise as its author wrote it; `title` is the heading it stands under.

    `graded` says from what: a solution cell before its check, the answers to the quiz, or a person who reads it.
    """

    grade_id: str
    title: str
    points: float
    graded: Literal["solution", "quiz", "hand"] = "solution"


@dataclass(frozen=True)
class Question:
    """A question of the quiz, where it stands: the heading above it."""

    id: str
    heading: str


@dataclass(frozen=True)
class Lesson:
    """A lesson: its notebook with solutions and hidden lines, and what the course needs to know of it."""

    name: str
    title: str
    minutes: dict[str, float]  # measured, by lane
    gigabytes: dict[str, float]  # disk it needs, by lane
    exercises: tuple[Exercise, ...]
    questions: tuple[Question, ...]
    notebook: NotebookNode


def lessons(folder: Path = LESSONS) -> list[Lesson]:
    """Read every lesson of the folder, in order. Raises BadLesson."""
    return [read(path) for path in sorted(folder.glob("[0-9][0-9]_*.md"))]


def read(path: Path) -> Lesson:
    """Read one lesson; questions come from quiz.yaml beside it, else from the course's own. Raises BadLesson when it cannot be read as one."""
    text = path.read_text()
    try:
        notebook = jupytext.reads(text, fmt="md:myst")
    except Exception as error:  # jupytext raises what its parsers raise
        raise BadLesson(f"{path}: not readable as MyST: {error}") from error
    facts = _front_matter(path, text)
    beside = path.with_name(QUIZ.name)
    found = list(_mark(path, notebook, read_quiz(beside if beside.is_file() else QUIZ)))
    _identify(notebook)
    notebook.metadata = NotebookNode(kernelspec=KERNEL, language_info={"name": "python"})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    exercises = tuple(one for one in found if isinstance(one, Exercise))
    questions = tuple(one for one in found if isinstance(one, Question))
    return Lesson(path.stem, _title(path, notebook), facts["minutes"], facts["gigabytes"], exercises, questions, notebook)


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


def headings(cell: NotebookNode) -> list[tuple[int, str]]:
    """Return (level, title) of each heading in a text cell; marks of a solution and comments in a block of code are none."""
    if cell.cell_type != "markdown":
        return []
    text = re.sub(r"^```.*?^```|^### (BEGIN|END) SOLUTION", "", cell.source, flags=re.DOTALL | re.MULTILINE)
    return [(len(found[1]), found[2].strip()) for found in re.finditer(r"^(#+) +(.*)", text, re.MULTILINE)]


def _mark(path: Path, notebook: NotebookNode, quiz: Mapping[str, Authored]) -> Iterator[Exercise | Question]:
    """Turn the author's options into nbgrader's metadata, and yield exercises and questions."""
    heading, titles = "", dict[str, str]()  # an exercise is called after the heading that its task stands under
    for cell in notebook.cells:
        heading = next((title for _, title in reversed(headings(cell))), heading)
        options = dict(cell.metadata)
        cell.metadata = NotebookNode({"tags": options["tags"]} if "tags" in options else {})
        if "answer" in options:
            cell.metadata.nbgrader = _marks(f"answer-{options['answer']}", solution=True)
            titles.setdefault(options["answer"], heading)
        if "quiz" in options:
            yield _ask(path, cell, str(options["quiz"]), heading, quiz)
        if "manual" in options:
            yield _by_hand(path, cell, options, heading)
        if "grade" in options:
            yield _grade(path, cell, options, titles, heading)


def _ask(path: Path, cell: NotebookNode, name: str, heading: str, quiz: Mapping[str, Authored]) -> Question:
    if name not in quiz or cell.source.strip():
        raise BadLesson(f"{path}: `:quiz: {name}`: expected the id of a question in quiz.yaml, in a code cell without a line of code.")
    cell.metadata.nbgrader = _marks(f"answer-quiz-{name}", solution=True)
    cell.source = cell_source(quiz[name])
    return Question(name, heading.replace("`", ""))


def _by_hand(path: Path, cell: NotebookNode, options: dict[str, Any], heading: str) -> Exercise:
    """An answer that a person grades: the learner writes into the graded cell itself."""
    if cell.cell_type != "markdown":
        raise BadLesson(f'{path}: {options["manual"]!r} is graded by hand: begin a text cell with `+++ {{"manual": …, "points": 2}}`.')
    points = _points(path, options["manual"], options)
    cell.metadata.nbgrader = _marks(options["manual"], solution=True, points=points)
    return Exercise(options["manual"], heading, points, "hand")


def _grade(path: Path, cell: NotebookNode, options: dict[str, Any], titles: dict[str, str], heading: str) -> Exercise:
    grade_id, by_quiz = options["grade"], options.get("graded-by") == "quiz"
    if grade_id not in titles and not by_quiz:
        raise BadLesson(f"{path}: the check of {grade_id!r} has no solution cell before it. Give one the option `:answer: {grade_id}`.")
    points = _points(path, grade_id, options)
    cell.metadata.nbgrader = _marks(grade_id, points=points)
    cell.source += "\n" + HIDDEN.format(grade_id=grade_id, points=points)
    return Exercise(grade_id, titles.get(grade_id, heading), points, "quiz" if by_quiz else "solution")


def _points(path: Path, grade_id: str, options: dict[str, Any]) -> float:
    if not isinstance(options.get("points"), int | float) or options["points"] <= 0:
        raise BadLesson(f'{path}: {grade_id!r} has no points. A check has the option `:points: 2`, a text cell `"points": 2`.')
    return float(options["points"])


def _marks(grade_id: str, *, solution: bool = False, points: float | None = None) -> NotebookNode:
    """nbgrader's metadata: a solution, a check (points), or both in one, which a person grades."""
    grade = points is not None
    marks = NotebookNode(schema_version=3, grade_id=grade_id, grade=grade, solution=solution, locked=not solution, task=False)
    if points is not None:
        marks.points = points
    return marks


def _identify(notebook: NotebookNode) -> None:
    """Give each cell an id that two builds agree on: its grade id, else its place among the cells that have none."""
    for number, cell in enumerate(notebook.cells):
        cell.id = cell.metadata.get("nbgrader", {}).get("grade_id", f"c{number:03d}")[:64]
