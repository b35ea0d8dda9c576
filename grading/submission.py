"""One submission as a check sees it: evidence, the learner's solution cells, and whose it is. All of it hostile input."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labkit.evidence import BadEvidence, Evidence, Missing, parse_json, read_bounded
from labkit.learner import token_of
from labkit.records import Record

MAX_NOTEBOOK_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True)
class Submission:
    """`folder` holds the notebooks and `evidence/`; `learner` is its folder name under `submitted/`."""

    folder: Path
    learner: str
    evidence: Evidence = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "evidence", OwnEvidence(self.folder / "evidence", self.learner))

    def solution(self, notebook: str, grade_id: str) -> str:
        """Return the source of the learner's solution cell, the first of that id. Raises Missing or BadEvidence."""
        for cell in solution_cells(self.folder, notebook):
            if cell["id"] == grade_id:
                return str(cell["source"])
        raise Missing(f"{notebook}.ipynb: the cell {grade_id!r} is not there. Expected your solution in it.")


class OwnEvidence(Evidence):
    """Evidence that must belong to the learner whose submission it is."""

    def __init__(self, folder: Path, learner: str) -> None:
        super().__init__(folder)
        self.learner = learner

    def record(self, record_id: str) -> Record:
        """As Evidence.record; another learner's record is BadEvidence."""
        record = super().record(record_id)
        if record.learner != self.learner or record.token != token_of(self.learner):
            raise BadEvidence(
                f"{record_id}.json: it was recorded by {record.learner!r}. Expected {self.learner!r}, whose submission this is. "
                "Is LEARNER in the first cell of 00_start_here the name you submit under?"
            )
        return record


def solution_cells(folder: Path, notebook: str) -> list[dict[str, Any]]:
    """Return the solution cells of a submitted notebook as {"id", "source", "cell_type"}, in order. Raises Missing or BadEvidence."""
    name = f"{notebook}.ipynb"
    document = parse_json(read_bounded(folder, name, MAX_NOTEBOOK_BYTES), name)
    cells = document.get("cells") if isinstance(document, dict) else None
    if not isinstance(cells, list):
        raise BadEvidence(f"{name}: it is not a notebook. Expected the file that JupyterLab saves.")
    return [found for cell in cells if (found := _solution(cell)) is not None]


def _solution(cell: Any) -> dict[str, Any] | None:
    metadata = cell.get("metadata") if isinstance(cell, dict) else None
    marks = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    if not isinstance(marks, dict) or not isinstance(marks.get("grade_id"), str):
        return None
    source = cell.get("source", "")
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    return {"id": marks["grade_id"], "source": source if isinstance(source, str) else "", "cell_type": cell.get("cell_type")}
