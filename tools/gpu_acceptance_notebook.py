"""Run a lesson's solved notebook, or some of its sections, by papermill, going on after errors; and read what came of it."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError

from labkit.submit import ASSIGNMENT
from tools.gpu_acceptance_steps import Step
from tools.lesson import headings
from tools.schedule import KERNELS

ROOT = Path(__file__).resolve().parent.parent
SOLVED = ROOT / "source" / ASSIGNMENT
LEARNER = "reference"
HIDDEN = re.compile(r"\n?### BEGIN HIDDEN TESTS.*?### END HIDDEN TESTS", re.DOTALL)
CELL_SECONDS = 240  # a cell that takes longer is interrupted, and the next one begins
LONG_SECONDS = 1.0  # of the cells that are listed one by one
SAID = 300  # characters of an error's text


def prepared(step: Step) -> nbformat.NotebookNode:
    """Return the solved notebook of a step without hidden tests (grading is done later, from the evidence).

    Of a lesson that is run by sections stay its beginning, the sections, and all cells that only write a file.
    """
    notebook = nbformat.read(SOLVED / f"{step.lesson}.ipynb", as_version=4)
    kept, here = [], ""
    for cell in notebook.cells:
        here = next((title for level, title in reversed(headings(cell)) if level == 2), here)
        if _belongs(cell, here, step):
            cell.source = HIDDEN.sub("", cell.source)
            kept.append(cell)
    notebook.cells = kept
    return notebook


def _belongs(cell: nbformat.NotebookNode, here: str, step: Step) -> bool:
    if not step.sections or not here or here.startswith(step.sections):
        return True
    return bool(cell.cell_type == "code" and cell.source.startswith("%%writefile"))


def execute(step: Step, work: Path, lane: str) -> None:
    """Run a step's notebook in WORK/run; evidence lands there, the executed notebook, written cell by cell, in WORK/notebooks."""
    folder, given, made = work / "run", work / "in" / f"{step.name}.ipynb", work / "notebooks" / f"{step.name}.ipynb"
    for path in (given, made, folder / "x"):
        path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(prepared(step), given)
    try:
        papermill.execute_notebook(
            given, made, cwd=folder, parameters={"LEARNER": LEARNER, "LANE": lane}, kernel_name="python3", progress_bar=False,
            execution_timeout=CELL_SECONDS, allow_errors=True, interrupt_on_timeout=True, config=KERNELS,
        )  # fmt: skip
    except PapermillExecutionError as error:  # raised at the very end: every cell has run
        print(f"cell {error.cell_index}: {error.ename}: {error.evalue[:SAID]}")


def report(executed: Path) -> dict[str, Any]:
    """Return the facts of an executed notebook, {} while it cannot be read: cells done, those that took long, and what failed."""
    try:
        cells = [cell for cell in nbformat.read(executed, as_version=4).cells if cell.cell_type == "code"]
    except (OSError, ValueError, AttributeError):  # not there yet, or being written
        return {}
    marks = [cell.metadata.get("papermill", {}) for cell in cells]
    return {
        "cells": len(cells),
        "done": sum(mark.get("status") in ("completed", "failed") for mark in marks),
        "long": [
            {"cell": cell.get("id", ""), "seconds": round(mark["duration"], 1), "ends": _last_line(cell)}
            for cell, mark in zip(cells, marks, strict=True)
            if (mark.get("duration") or 0) >= LONG_SECONDS
        ],
        "failures": [failure for cell in cells for failure in _failures(cell)],
    }


def _failures(cell: nbformat.NotebookNode) -> Sequence[dict[str, str]]:
    """An interrupted cell has a KeyboardInterrupt among its outputs, or what our runner made of it."""
    return [
        {"cell": cell.get("id", ""), "ename": output.ename, "evalue": output.evalue[:SAID], "ends": _last_line(cell)}
        for output in cell.get("outputs", [])
        if output.output_type == "error"
    ]


def _last_line(cell: nbformat.NotebookNode) -> str:
    return str((cell.source.strip().splitlines() or [""])[-1])[:100]
