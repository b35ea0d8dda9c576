"""More variations of a submission (tools/rehearse_kinds.py), and the table of all: how many of a hundred learners do what."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tools.rehearse_kinds import (
    Handed,
    empty,
    full,
    half_done,
    marks_of,
    missing_notebook,
    missing_record,
    not_a_notebook,
    syntax_error,
    wrong_answer,
    wrong_function,
)

LATE = "2026-12-03 07:15:00.000000 UTC"  # a day and a half after tools.rehearse.DUE
_SLOWER = 1.0137  # another machine than the reference's: what `copied` learners have in common
_OUTPUT_BYTES = 3_000_000  # of one cell; a learner who prints in a loop
_REFLECTION = "exercises-reflection"


def deleted_cells(handed: Handed) -> None:
    """Two graded cells or solution cells of one notebook are gone."""

    def without(cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
        gone = handed.chance.sample([cell["id"] for cell in cells if marks_of(cell)], 2)
        return [cell for cell in cells if cell["id"] not in gone]

    _edit_cells(handed, without)


def doubled_cells(handed: Handed) -> None:
    """A graded cell and a solution cell were copied, marks and ids and all."""

    def doubled(cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
        copied = handed.chance.sample([cell["id"] for cell in cells if marks_of(cell)], 2)
        return [one for cell in cells for one in ([cell, cell] if cell["id"] in copied else [cell])]

    _edit_cells(handed, doubled)


def edited_marks(handed: Handed) -> None:
    """Cells tagged not to run, points raised, a locked cell's type changed."""

    def edited(cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for cell in [cell for cell in cells if marks_of(cell).get("grade")]:
            cell["metadata"]["tags"] = ["skip-execution"]
            marks_of(cell)["points"] = 100
        return cells

    _edit_cells(handed, edited)


def _edit_cells(handed: Handed, edit: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    name = handed.chance.choice(handed.notebooks())
    notebook = handed.notebook(name)
    notebook["cells"] = edit(notebook["cells"])
    handed.save(name, notebook)


def cut_record(handed: Handed) -> None:
    """A record that ends in the middle: the machine went down while it was written."""
    name = handed.some_record()
    data = (handed.folder / name).read_bytes()
    handed.write(name, data[: handed.chance.randrange(1, len(data) // 2)])


def nan_record(handed: Handed) -> None:
    """A record with a number that is none."""
    name = handed.some_record()
    record = json.loads((handed.folder / name).read_bytes())
    handed.write(name, json.dumps(record | {"seconds": float("nan")}, indent=1).encode())


def late(handed: Handed) -> None:
    """Everything done, handed in after the date."""
    handed.write("timestamp.txt", f"{LATE}\n".encode())


def copied(handed: Handed) -> None:
    """Everything done, with the times of another machine, and the same ones as all learners of this kind."""
    moved = {}
    for name in handed.records():
        data = (handed.folder / name).read_bytes()
        record = json.loads(data)
        if record["seconds"]:
            made = json.dumps(record | {"seconds": round(record["seconds"] * _SLOWER, 3)}, indent=1).encode()
            moved[hashlib.sha256(data).hexdigest()] = hashlib.sha256(made).hexdigest()
            handed.write(name, made)
    for name in handed.records():  # an answer says by its SHA-256 which run it is about
        record = json.loads((handed.folder / name).read_bytes())
        if record["facts"].get("about") in moved:
            record["facts"]["about"] = moved[record["facts"]["about"]]
            handed.write(name, json.dumps(record, indent=1).encode())


def large_outputs(handed: Handed) -> None:
    """Two cells that printed three megabytes each."""
    for name in handed.chance.sample(handed.notebooks(), 2):
        notebook = handed.notebook(name)
        cell = handed.chance.choice([cell for cell in notebook["cells"] if cell["cell_type"] == "code"])
        line = f"step {handed.chance.randrange(10**9):,} of the loop that printed a line each time\n"
        cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": line * (_OUTPUT_BYTES // len(line))}]
        handed.save(name, notebook)


def no_reflection(handed: Handed) -> None:
    """The text that a person reads was not written."""
    released = json.loads((handed.release / "06_exercises.ipynb").read_bytes())
    text = next(cell["source"] for cell in released["cells"] if marks_of(cell).get("grade_id") == _REFLECTION)
    _reflect(handed, "".join(text))


def own_words(handed: Handed) -> None:
    """A text of the learner's own, which waits for a person."""
    rows = handed.chance.randrange(8, 17)
    _reflect(
        handed,
        f"1. I thought two requests take sixteen steps; my table had {rows} rows.\n2. nsys, next.\n3. Why does it preempt? <b>Ask</b>.",
    )


def _reflect(handed: Handed, text: str) -> None:
    notebook = handed.notebook("06_exercises.ipynb")
    for cell in notebook["cells"]:
        if marks_of(cell).get("grade_id") == _REFLECTION:
            cell["source"] = text
    handed.save("06_exercises.ipynb", notebook)


def extra_files(handed: Handed) -> None:
    """Files that nobody asked for."""
    handed.write("Untitled.ipynb", b'{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    handed.write("notes (1).txt", "Übung 3: später noch einmal\n".encode())
    handed.write(".ipynb_checkpoints/00_start_here-checkpoint.ipynb", b"{}")
    handed.write("evidence/old-run.json", b'{"id": "old-run"}')
    handed.write("work/core.1234", bytes(handed.chance.randrange(10_000, 200_000)))


@dataclass(frozen=True)
class Kind:
    """A variation. `share`: how many of a hundred learners; `stock`: whether nbgrader without plug-ins can grade it, to the same scores."""

    make: Callable[[Handed], None]
    share: int
    stock: bool = True

    @property
    def name(self) -> str:
        """The function's name."""
        return self.make.__name__


# Our guess at a class, with every kind often enough to be met among a hundred: most learners do most of it.
KINDS = (
    Kind(full, 16), Kind(copied, 6), Kind(own_words, 15), Kind(half_done, 12), Kind(no_reflection, 6), Kind(empty, 6), Kind(late, 4),
    Kind(missing_record, 6), Kind(wrong_answer, 5), Kind(wrong_function, 4), Kind(syntax_error, 3), Kind(cut_record, 2), Kind(nan_record, 2),
    Kind(large_outputs, 3), Kind(extra_files, 2), Kind(missing_notebook, 2, stock=False), Kind(not_a_notebook, 1, stock=False),
    Kind(deleted_cells, 2, stock=False), Kind(doubled_cells, 1, stock=False), Kind(edited_marks, 2, stock=False),
)  # fmt: skip
BY_NAME = {kind.name: kind for kind in KINDS}
