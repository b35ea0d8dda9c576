"""One submission as a check sees it: evidence, the learner's solution cells, and whose it is. All of it hostile input."""

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labkit.evidence import BadEvidence, Evidence, Missing, parse_json, read_bounded
from labkit.settled import SettledEvidence, Shelf

MAX_NOTEBOOK_BYTES = 10 * 1024 * 1024
MAX_KEPT_NOTEBOOKS = 2 * 1024 * 1024  # bytes together; parsed, hostile ones take some 30 times as much
MAX_SOURCE_CHARS = 100_000
MAX_SOURCE_LINES = 5_000  # JSON takes some ten bytes for a line break in a notebook
MAX_RECORDS_LOOKED_AT = 50


class Read:
    """What was read of a submission so far, within bounds. The folder must not change while this object lives."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # a submission that is itself a link has no evidence: below it, the link would be an ordinary folder on the way
        self.shelf = Shelf(folder if folder.is_symlink() else folder / "evidence")
        self._cells: dict[str, list[dict[str, Any]]] = {}
        self._room = MAX_KEPT_NOTEBOOKS

    def cells(self, notebook: str) -> list[dict[str, Any]]:
        """Return the cells of a notebook as `notebook_cells` does, each time the same objects."""
        kept = self._cells.get(notebook)
        if kept is not None:
            return kept
        raw = read_bounded(self.folder, f"{notebook}.ipynb", MAX_NOTEBOOK_BYTES)
        cells = _cells_in(raw, f"{notebook}.ipynb")
        if len(raw) <= self._room:
            self._room -= len(raw)
            self._cells[notebook] = cells
        return cells


@dataclass(frozen=True)
class Submission:
    """`folder` holds the notebooks and `evidence/`; `learner` is its folder name under `submitted/`.

    The folder must not change while this object lives: what several checks read of it is read once.
    """

    folder: Path
    learner: str
    evidence: Evidence = field(init=False)
    read: Read | None = field(default=None, compare=False, repr=False)  # a copy under another name shares it

    def __post_init__(self) -> None:
        read = self.read if self.read is not None and self.read.folder == self.folder else Read(self.folder)
        object.__setattr__(self, "read", read)
        object.__setattr__(self, "evidence", SettledEvidence(read.shelf.folder, self.learner, read.shelf))

    @property
    def shelf(self) -> Shelf:
        """The files of the evidence folder, as far as they were read and kept."""
        assert self.read is not None
        return self.read.shelf

    def cells(self, notebook: str) -> list[dict[str, Any]]:
        """Return the cells of a submitted notebook as `notebook_cells` does. They must not be changed."""
        assert self.read is not None
        return self.read.cells(notebook)

    def solution(self, notebook: str, grade_id: str) -> str:
        """Return the source of the learner's solution cell, the first of that id. Raises Missing or BadEvidence."""
        for cell in self.cells(notebook):
            if marks_of(cell).get("grade_id") == grade_id and (source := source_of(cell)) is not None:
                return _bounded(source, notebook, grade_id)
        raise Missing(f"{notebook}.ipynb: the cell {grade_id!r} is not there. Expected your solution in it.")


def learner_of(folder: Path) -> str:
    """Return the learner that the evidence of a submission names, or "" when no record can be read."""
    evidence = Evidence(folder / "evidence")
    for record_id in evidence.ids()[:MAX_RECORDS_LOOKED_AT]:
        with suppress(BadEvidence, OSError, ValueError):
            return evidence.record(record_id).learner
    return ""


def solution_cells(folder: Path, notebook: str) -> list[dict[str, Any]]:
    """Return the cells with a grade id and a source, as {"id", "source", "cell_type"}, in order. Raises Missing or BadEvidence."""
    return [found for cell in notebook_cells(folder, notebook) if (found := _solution(cell)) is not None]


def notebook_cells(folder: Path, notebook: str) -> list[dict[str, Any]]:
    """Return the cells of a submitted notebook that are JSON objects, whatever is in them. Raises Missing or BadEvidence."""
    name = f"{notebook}.ipynb"
    return _cells_in(read_bounded(folder, name, MAX_NOTEBOOK_BYTES), name)


def _cells_in(raw: bytes, name: str) -> list[dict[str, Any]]:
    document = parse_json(raw, name)
    cells = document.get("cells") if isinstance(document, dict) else None
    if not isinstance(cells, list):
        raise BadEvidence(f"{name}: it is not a notebook. Expected the file that JupyterLab saves.")
    return [cell for cell in cells if isinstance(cell, dict)]


def marks_of(cell: dict[str, Any]) -> dict[str, Any]:
    """Return the nbgrader metadata of a cell, empty where there is none."""
    metadata = cell.get("metadata")
    marks = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    return marks if isinstance(marks, dict) else {}


def _solution(cell: dict[str, Any]) -> dict[str, Any] | None:
    grade_id, source = marks_of(cell).get("grade_id"), source_of(cell)
    if not isinstance(grade_id, str) or source is None:
        return None
    return {"id": grade_id, "source": source, "cell_type": cell.get("cell_type")}


def source_of(cell: dict[str, Any]) -> str | None:
    """Return the source of a cell as text that can be written as UTF-8, or None when it is not text."""
    source = cell.get("source")
    if isinstance(source, list):
        with suppress(TypeError):  # not all of it is text
            source = "".join(source)
    # JSON may hold half a surrogate pair ("\ud800"); written back it would stop whoever saves the notebook
    return source.encode("utf-8", "replace").decode() if isinstance(source, str) else None


def too_long(source: str) -> str:
    """Say how long a learner's source is when it is longer than any answer, else ""."""
    lines = source.count("\n") + 1
    if len(source) > MAX_SOURCE_CHARS:
        return f"{len(source):,} characters"
    return f"{lines:,} lines" if lines > MAX_SOURCE_LINES else ""


def _bounded(source: str, notebook: str, grade_id: str) -> str:
    if much := too_long(source):
        raise BadEvidence(
            f"{notebook}.ipynb: the cell {grade_id!r} has {much}. Expected at most {MAX_SOURCE_CHARS:,} characters in {MAX_SOURCE_LINES:,} "
            "lines. Was something else pasted into it?"
        )
    return source
