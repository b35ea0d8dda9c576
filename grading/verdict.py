"""The result of one check."""

from typing import Annotated, Literal

from pydantic import Field

from labkit.records import Strict
from labkit.rows import Row

State = Literal["passed", "failed", "not judged"]
Line = Annotated[str, Field(max_length=2000)]


class Verdict(Strict):
    """What a check says of one submission.

    `points` is what was earned, from 0 to the grade cell's maximum. "not judged" means that the grader could not tell
    (a fault of ours, or no sandbox): it earns 0 for now and is marked for a human; it never blames the learner.
    """

    state: State
    points: Annotated[float, Field(ge=0)]
    seen: Line
    expected: Line
    next_step: Line = ""


def from_rows(rows: list[Row], points: float) -> Verdict:
    """Full points when every row is ok, else 0 and the first row that is not."""
    for bad in rows:
        if not bad.ok:
            return Verdict(state="failed", points=0, seen=f"{bad.what}: {bad.seen}", expected=bad.expected, next_step=bad.next_step)
    return Verdict(state="passed", points=points, seen="; ".join(f"{r.what}: {r.seen}" for r in rows)[:2000], expected="the same")


def not_judged(reason: str) -> Verdict:
    """The grader's own fault or limit; a human decides."""
    return Verdict(
        state="not judged", points=0, seen=reason[:1900], expected="a grader that can judge this",
        next_step="Nothing is asked of you: your instructor will look at it.",
    )  # fmt: skip
