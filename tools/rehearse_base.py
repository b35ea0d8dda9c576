"""What every rehearsed submission starts from: the solved notebooks as a learner hands them in, and the recorded evidence of the reference."""

import shutil
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from tools.stock import ROOT

EVIDENCE = ROOT / "recordings" / "cpu-reference"
_SOLUTION_MARKS = ("### BEGIN SOLUTION", "### END SOLUTION")


def write_base(folder: Path, source: Path, release: Path, executed: Path | None = None) -> None:
    """Write one full submission into `folder`.

    `executed` is a folder of run notebooks with evidence/ beside them, such as `make course` leaves: their outputs and their evidence are
    taken. Without it the notebooks have no outputs, and the evidence is the one recorded in this repository. The evidence must name the
    learner "reference" (tools.as_reference). Every file becomes read-only: a thousand submissions may share it by hard links.
    """
    folder.mkdir(parents=True)
    for path in sorted(release.glob("*.ipynb")):
        notebook = solved(nbformat.read(path, as_version=4), nbformat.read(source / path.name, as_version=4))
        if executed is not None:
            put_outputs(notebook, nbformat.read(executed / path.name, as_version=4))
        (folder / path.name).write_text(nbformat.writes(notebook) + "\n")
    shutil.copytree((executed or EVIDENCE) / "evidence", folder / "evidence")
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o444)


def solved(released: NotebookNode, source: NotebookNode) -> NotebookNode:
    """Return the released notebook with the solutions written into its solution cells."""
    solutions = {cell.metadata.nbgrader.grade_id: cell.source for cell in source.cells if cell.metadata.get("nbgrader", {}).get("solution")}
    for cell in released.cells:
        marks = cell.metadata.get("nbgrader", {})
        if marks.get("solution"):
            cell.source = _unmarked(solutions[marks["grade_id"]])
    return released


def put_outputs(notebook: NotebookNode, executed: NotebookNode) -> None:
    """Copy outputs by cell id; a cell that the executed notebook does not have stays without."""
    found = {cell.id: cell for cell in executed.cells if cell.cell_type == "code"}
    for cell in notebook.cells:
        if cell.id in found:
            cell.outputs, cell.execution_count = found[cell.id].outputs, found[cell.id].execution_count


def _unmarked(source: str) -> str:
    return "\n".join(line for line in source.splitlines() if line.strip() not in _SOLUTION_MARKS)
