"""Rules that a lesson keeps. Each message names the lesson, the place and what to write instead."""

import re
from collections.abc import Callable, Iterator

from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

from tools.lesson import Lesson, headings

MAX_WORDS = 170  # between two things to do; the design says about 150
HINTS = 3
Rule = Callable[[Lesson], Iterator[str]]


def lint(lesson: Lesson) -> list[str]:
    """Return every broken rule of a lesson as `lesson: place: what to do`."""
    return [f"lessons/{lesson.name}.md: {message}" for rule in RULES for message in rule(lesson)]


def one_h1_and_headings_in_order(lesson: Lesson) -> Iterator[str]:
    """Screen readers navigate by headings: one H1, and no level is skipped."""
    depth = 0
    for level, title in _headings(lesson):
        if level == 1 and depth:
            yield f"heading {title!r}: a lesson has one H1. Use `##`."
        if level > depth + 1:
            yield f"heading {title!r}: level {level} after level {depth}. Do not skip a level."
        depth = level


def few_words_between_things_to_do(lesson: Lesson) -> Iterator[str]:
    """A learner does something at least every 150 words or so."""
    words, near = 0, lesson.title
    for cell in lesson.notebook.cells:
        if cell.cell_type == "code" or cell.metadata.get("nbgrader"):  # a text to write is something to do
            words = 0
            continue
        text = re.sub(r"<details>.*?</details>|^\|.*$|```.*?```", "", cell.source, flags=re.DOTALL | re.MULTILINE)
        words, near = words + len(text.split()), next((t for _, t in headings(cell)), near)
        if words > MAX_WORDS:
            yield f"under {near!r}: {words} words without anything to do. Cut, or put a cell between (limit {MAX_WORDS})."
            words = 0


def pictures_have_text(lesson: Lesson) -> Iterator[str]:
    """Every picture has alternative text."""
    for cell in _markdown(lesson):
        yield from ("a picture without alternative text. Write `![what it shows](file)`." for _ in re.findall(r"!\[\s*\]\(", cell.source))
        yield from ("an <img> without alt text." for tag in re.findall(r"<img[^>]*>", cell.source) if "alt=" not in tag)


def code_parses(lesson: Lesson) -> Iterator[str]:
    """Each code cell is valid Python after IPython's magics are expanded."""
    manager = TransformerManager()
    for cell in _code(lesson):
        if cell.source.startswith("%%"):
            continue
        try:
            compile(manager.transform_cell(cell.source), cell.id, "exec")
        except SyntaxError as error:
            yield f"cell {cell.id}: line {error.lineno}: {error.msg}."


def solutions_are_marked(lesson: Lesson) -> Iterator[str]:
    """Solution marks stand in solution cells, in pairs, and nowhere else."""
    for cell in lesson.notebook.cells:
        begins, ends = cell.source.count("### BEGIN SOLUTION"), cell.source.count("### END SOLUTION")
        is_solution = cell.metadata.get("nbgrader", {}).get("solution", False)
        if begins != ends or bool(begins) != is_solution:
            yield f"cell {cell.id}: {begins} BEGIN and {ends} END SOLUTION. A cell with `:answer:` or `manual` has at least one pair, others none."


def exercises_have_hints_and_a_check(lesson: Lesson) -> Iterator[str]:
    """Each exercise has three hints before its check, best under its task, and the check cell starts with lab.check of the same id.

    The quiz gives its hints as answers, and a person who grades gives them by talking: neither needs three here.
    """
    hints = checks = 0
    graded = {exercise.grade_id: exercise.graded for exercise in lesson.exercises}
    for cell in lesson.notebook.cells:
        hints += cell.source.count("<summary>Hint ") if cell.cell_type == "markdown" else 0
        marks = cell.metadata.get("nbgrader", {})
        if not marks.get("grade") or graded[marks["grade_id"]] == "hand":
            continue
        checks += graded[marks["grade_id"]] == "solution"
        if hints % HINTS or hints < HINTS * checks:
            yield f"exercise {marks['grade_id']}: {hints} hints for {checks} exercises so far. Write {HINTS} for each, each saying more: `<details><summary>Hint 1</summary>`."
        if cell.source.splitlines()[0] != f'lab.check("{marks["grade_id"]}")':
            yield f'exercise {marks["grade_id"]}: its check cell must start with lab.check("{marks["grade_id"]}").'
    if hints > HINTS * checks:
        yield f"{hints} hints for {checks} exercises. Write {HINTS} for each."


def one_parameters_cell(lesson: Lesson) -> Iterator[str]:
    """papermill needs one cell tagged `parameters`."""
    found = sum("parameters" in cell.metadata.get("tags", []) for cell in lesson.notebook.cells)
    if found != 1:
        yield f"{found} cells are tagged `parameters`. Tag the first code cell, and only it."


RULES: tuple[Rule, ...] = (
    one_h1_and_headings_in_order,
    few_words_between_things_to_do,
    pictures_have_text,
    code_parses,
    solutions_are_marked,
    exercises_have_hints_and_a_check,
    one_parameters_cell,
)


def _markdown(lesson: Lesson) -> list[NotebookNode]:
    return [cell for cell in lesson.notebook.cells if cell.cell_type == "markdown"]


def _code(lesson: Lesson) -> list[NotebookNode]:
    return [cell for cell in lesson.notebook.cells if cell.cell_type == "code"]


def _headings(lesson: Lesson) -> Iterator[tuple[int, str]]:
    for cell in _markdown(lesson):
        yield from headings(cell)
