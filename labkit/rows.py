"""A visible check is a table of rows: what was looked at, what was seen, what was expected, and one next step."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from labkit.evidence import BadEvidence, Evidence, Missing

RAISED, RETURNED = "raised ", "returned "  # how labkit.trying begins the result of a call that left no value


@dataclass(frozen=True)
class Row:
    """One line of a check. `next_step` is a question or a command, empty when the row is ok."""

    what: str
    ok: bool
    seen: str
    expected: str
    next_step: str = ""


VisibleCheck = Callable[[Evidence], list[Row]]
_NOT_TEXT = re.compile(r"\b(numbers?|set|dictionary)\b")  # in what a row expects


def row(what: str, seen: object, expected: object, next_step: str, *, ok: bool | None = None) -> Row:
    """Make a row that is ok when seen equals expected, unless `ok` decides. Text in place of a number, a set or a dictionary is shown as text."""
    good = (seen == expected) if ok is None else ok
    if not good and _is_quoted(seen, expected):
        seen, next_step = repr(seen), f"Without quotes: {expected}. {next_step}"
    return Row(what, good, _short(seen), _short(expected), "" if good else next_step)


def example_row(what: str, seen: object, expected: object, next_step: str, *, ok: bool | None = None) -> Row:
    """Make a row about what a learner's function returned; one that stopped or returned nothing gets that as its next step."""
    failure = f"Is a `return` missing? {next_step}" if seen is None else ""
    if isinstance(seen, str) and seen.startswith(RAISED):
        failure = "Your function stopped there. Mend it, then run its cell and the one below it again."
    if isinstance(seen, str) and seen.startswith(RETURNED):
        failure = "That cannot be kept as an answer: return a number, text or a list."
    return row(what, seen, expected, failure or next_step, ok=ok)


def still_about(evidence: Evidence, answer_id: str, run_id: str) -> Row:
    """A row that is ok while the answer was made from the run that is recorded now."""
    same = evidence.record(answer_id).facts.get("about") == evidence.digest(run_id)
    seen = "made from the recorded run" if same else "made from an earlier run"
    return row(
        "fits the run", seen, "made from the recorded run", "You ran it again since: read the new numbers and run your answer's cell again."
    )


def evaluate(check: VisibleCheck, evidence: Evidence) -> list[Row]:
    """Run a visible check; evidence that is missing or damaged becomes a row, never an exception."""
    try:
        return check(evidence)
    except Missing as missing:
        return [Row("evidence", False, "nothing recorded yet", "the record of this exercise", _what_to_run(str(missing)))]
    except BadEvidence as bad:
        seen, _, advice = str(bad).partition(". Expected ")
        return [
            Row(
                "evidence",
                False,
                seen,
                "a record as labkit writes it",
                f"Expected {advice}" if advice else "Run the exercise's cells again.",
            )
        ]


def _what_to_run(missing: str) -> str:
    """The next step for a record that is not there; of an answer the file's name says little."""
    answer = missing.partition(":")[0].endswith("-answer.json")
    return "Fill in the cell above that ends in lab.answer(…), and run it." if answer else missing


def _is_quoted(seen: object, expected: object) -> bool:
    """Whether text was given where something else is expected, or text among numbers."""
    if not isinstance(expected, str) or not _NOT_TEXT.search(expected):
        return False
    parts = seen.values() if isinstance(seen, dict) else seen if isinstance(seen, list) else ()
    return isinstance(seen, str) or ("number" in expected and any(isinstance(part, str) for part in parts))


def _short(value: object, limit: int = 160) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
