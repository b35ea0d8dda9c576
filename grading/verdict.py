"""The result of one check."""

from typing import Annotated, Literal

from pydantic import Field

from labkit.evidence import BadEvidence
from labkit.records import Strict
from labkit.rows import Row

State = Literal["passed", "failed", "not judged"]
LINE_LIMIT = 2000
Line = Annotated[str, Field(max_length=LINE_LIMIT)]


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
    goal: Line = ""  # what the exercise is about, in a line: the check's docstring; the judge fills it in


def failed(seen: str, expected: str, next_step: str) -> Verdict:
    """No points; texts that a hostile submission made long are cut, so that they cannot stop the grader."""
    return Verdict(state="failed", points=0, seen=clip(seen), expected=clip(expected), next_step=clip(next_step))


def from_rows(rows: list[Row], points: float) -> Verdict:
    """Full points when every row is ok, else 0 and the first row that is not. No row at all means that nothing was looked at."""
    if not rows:
        return not_judged("The check of this exercise looked at nothing.")
    for bad in rows:
        if not bad.ok:
            return failed(f"{bad.what}: {bad.seen}", bad.expected, bad.next_step)
    return Verdict(state="passed", points=points, seen=clip("; ".join(f"{r.what}: {r.seen}" for r in rows)), expected="the same")


def from_bad_evidence(bad: BadEvidence) -> Verdict:
    """Evidence that is missing or damaged: no points, and its own message, which says what was seen and what to do."""
    return failed(
        str(bad), "evidence as the lesson writes it", "Run the exercise's cells again, from its first one, and save the notebook."
    )


def not_judged(reason: str) -> Verdict:
    """The grader's own fault or limit; a human decides."""
    return Verdict(
        state="not judged", points=0, seen=clip(reason), expected="a grader that can judge this",
        next_step="Nothing is asked of you: your instructor will look at it.",
    )  # fmt: skip


def clip(text: str) -> str:
    """Cut a text to what a line of a verdict may hold; half a surrogate pair, which JSON may hold, is no text."""
    text = text.encode(errors="replace").decode()
    return text if len(text) <= LINE_LIMIT else text[: LINE_LIMIT - 1] + "…"
