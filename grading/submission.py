"""One submission as a check sees it: evidence, the learner's solution cells, and whose it is. All of it hostile input."""

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labkit.evidence import BadEvidence, Evidence, Missing, parse_json, read_bounded
from labkit.settled import SettledEvidence

MAX_NOTEBOOK_BYTES = 10 * 1024 * 1024
MAX_SOURCE_CHARS = 100_000
MAX_SOURCE_LINES = 5_000  # JSON takes some ten bytes for a line break in a notebook
MAX_RECORDS_LOOKED_AT = 50


@dataclass(frozen=True)
class Submission:
    """`folder` holds the notebooks and `evidence/`; `learner` is its folder name under `submitted/`.

    The folder must not change while this object lives: what several checks read of it is read once.
    """

    folder: Path
    learner: str
    evidence: Evidence = field(init=False)

    def __post_init__(self) -> None:
        # a submission that is itself a link has no evidence: below it, the link would be an ordinary folder on the way
        folder = self.folder if self.folder.is_symlink() else self.folder / "evidence"
        object.__setattr__(self, "evidence", SettledEvidence(folder, self.learner))

    def solution(self, notebook: str, grade_id: str) -> str:
        """Return the source of the learner's solution cell, the first of that id. Raises Missing or BadEvidence."""
        for cell in solution_cells(self.folder, notebook):
            if cell["id"] == grade_id:
                return _bounded(str(cell["source"]), notebook, grade_id)
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
    document = parse_json(read_bounded(folder, name, MAX_NOTEBOOK_BYTES), name)
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
    if isinstance(source, list) and all(isinstance(part, str) for part in source):
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
