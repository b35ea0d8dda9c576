"""How a hidden check is put together from the rows that a learner saw and the rows that only the grader knows."""

from collections.abc import Callable

from grading.verdict import Verdict, from_rows
from labkit.rows import Row


def both(visible: list[Row], hidden: Callable[[], list[Row]], points: float) -> Verdict:
    """Judge the visible rows, and only when all of them are ok make and judge the hidden ones, which may rely on them."""
    good = all(row.ok for row in visible)
    return from_rows([*visible, *(hidden() if good else [])], points)
