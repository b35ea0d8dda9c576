"""Rebuild a submitted notebook: the released one, with the learner's solution cells put in by grade id, and nothing else of theirs.

Why the released version and not source/ or the gradebook: it is what the learner was given; it holds no solution and no
hidden line, so no mistake here can show one; and the gradebook has no text cells. nbgrader's own OverwriteCells then puts
the hidden lines back from the gradebook, as in a stock run.
"""

import copy
from collections import Counter
from collections.abc import Container, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from grading.submission import Submission, marks_of, source_of, too_long
from grading.wording import plain
from labkit.evidence import BadEvidence, Missing

_MAX_REPAIRS = 40


class NoRelease(Exception):
    """There is no released notebook to rebuild from. The text is written for the instructor."""


def rebuild(release: Path, folder: Path, notebook: str) -> tuple[NotebookNode, list[str]]:
    """Return the rebuilt notebook, and what had to be repaired, for the instructor. Raises NoRelease; nothing a learner wrote raises."""
    rebuilt = _released(release / f"{notebook}.ipynb")
    sources, repairs = learner_sources(rebuilt.cells, Submission(folder, ""), notebook)
    for cell in rebuilt.cells:
        if marks_of(cell).get("solution"):
            cell.source = sources[marks_of(cell)["grade_id"]]
    return rebuilt, repairs


def learner_sources(released: Sequence[NotebookNode], submission: Submission, notebook: str) -> tuple[dict[str, str], list[str]]:
    """Return {grade id: source} for every released solution cell, the learner's where there is one, and repairs as `rebuild` does."""
    sources = {marks_of(cell)["grade_id"]: cell.source for cell in released if marks_of(cell).get("solution")}
    try:
        theirs = submission.cells(notebook)
    except Missing:
        return sources, ["it was not handed in: graded as an empty notebook"]
    except BadEvidence as bad:
        return sources, [plain(f"graded as an empty notebook: {bad}", 300)]
    repairs = _put_in(sources, _first_sources(theirs, sources))
    repairs += _differences(released, theirs) if theirs else []
    return sources, [plain(repair, 300) for repair in repairs[:_MAX_REPAIRS]]


def _released(path: Path) -> NotebookNode:
    try:
        status = path.stat()
    except OSError:
        raise NoRelease(f"{path}: not there. Expected the released notebook. Run `nbgrader generate_assignment` first.") from None
    return copy.deepcopy(_read_released(path, status.st_mtime_ns, status.st_size))


@lru_cache(maxsize=64)
def _read_released(path: Path, _modified: int, _size: int) -> NotebookNode:
    return nbformat.read(path, as_version=4)  # ours: the one notebook that nbformat may parse


def _first_sources(cells: list[dict[str, Any]], wanted: Container[str]) -> dict[str, str]:
    """Return {grade id: source}, the first cell of each wanted id that has a source."""
    sources: dict[str, str] = {}
    for cell in cells:
        grade_id = marks_of(cell).get("grade_id")
        if isinstance(grade_id, str) and grade_id in wanted and grade_id not in sources and (source := source_of(cell)) is not None:
            sources[grade_id] = source
    return sources


def _put_in(sources: dict[str, str], theirs: dict[str, str]) -> list[str]:
    repairs = []
    for grade_id in sources:
        source = theirs.get(grade_id)
        if source is None:
            repairs.append(f"{grade_id}: the solution cell is not there")
        elif much := too_long(source):
            repairs.append(f"{grade_id}: {much}, left out")
        else:
            sources[grade_id] = source
    return repairs


def _differences(released: Sequence[NotebookNode], theirs: list[dict[str, Any]]) -> list[str]:
    """Say where the submitted notebook had something that an untouched one has not."""
    ids = [str(marks_of(cell).get("grade_id")) for cell in theirs]
    counts = Counter(ids)
    by_id = dict(zip(reversed(ids), reversed(theirs), strict=True))
    known = {_tags(cell) for cell in released}
    found = [f"{_tags(cell)}: dropped from a cell" for cell in theirs if _tags(cell) not in known | {""}]
    for ours in released:
        grade_id = marks_of(ours).get("grade_id")
        if grade_id is not None and counts[grade_id]:
            found += [f"{grade_id}: {what}" for what in _changes(ours, by_id[grade_id], counts[grade_id])]
        elif grade_id is not None and not marks_of(ours).get("solution"):
            found.append(f"{grade_id}: the cell was deleted")
    return found


def _changes(ours: NotebookNode, theirs: dict[str, Any], count: int) -> list[str]:
    marks, their_marks = marks_of(ours), marks_of(theirs)
    checks = {
        f"there are {count} cells of this id, the first is used": count > 1,
        "its type was changed": theirs.get("cell_type") != ours.cell_type,
        "its text was edited, though locked": bool(marks.get("locked")) and source_of(theirs) != ours.source,
        "its grading metadata was edited": any(their_marks.get(key) != marks.get(key) for key in ("grade", "solution", "points")),
    }
    return [what for what, so in checks.items() if so]


def _tags(cell: dict[str, Any]) -> str:
    metadata = cell.get("metadata")
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    return f"tags {plain(repr(tags), 80)}" if tags else ""
