"""Judge a learner's function by calling it: what was called, what came back, what was expected."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grading.limits import FunctionLimits
from grading.sandbox import Called, Outcome, run_function
from grading.submission import Submission
from grading.verdict import Verdict, failed, not_judged

_ENDED = {"timeout", "ended", "too much output"}


@dataclass(frozen=True)
class Case:
    """One call and the value that it should return (JSON: lists for tuples). Numbers may differ by 1 in 10^6."""

    arguments: tuple[Any, ...]
    expected: Any


def judge_function(
    submission: Submission,
    notebook: str,
    cell: str,
    function: str,
    cases: Sequence[Case],
    points: float,
    limits: FunctionLimits | None = None,
) -> Verdict:
    """Full points when the function in the learner's cell returns what every case expects. Raises BadEvidence for an unreadable cell."""
    source = submission.solution(notebook, cell)
    return verdict_of(run_function(source, function, [case.arguments for case in cases], limits), function, cases, points)


def verdict_of(outcome: Outcome, function: str, cases: Sequence[Case], points: float) -> Verdict:
    """Turn what came of the calls into a verdict; the first case that differs is the one that is told."""
    if outcome.state == "unavailable":
        return not_judged(f"Your function was not run: this machine has no sandbox for it ({outcome.detail}).")
    if outcome.state == "no function":
        return failed(
            f"your cell: {outcome.detail}", f"a cell that defines {function} and runs from top to bottom", "Does the cell run by itself?"
        )
    if outcome.state in _ENDED:
        return failed(f"{function}: {outcome.detail}", "a function that returns its value at once", "What keeps it from returning?")
    for case, called in zip(cases, outcome.calls, strict=True):
        if called.error or not same(called.value, case.expected):
            return failed(*_told(function, case, called))
    return Verdict(state="passed", points=points, seen=f"{function}: {len(cases)} calls returned what was expected", expected="the same")


def same(got: Any, expected: Any) -> bool:
    """Compare JSON values: equal type and value, numbers within 1e-6; True is not 1."""
    if isinstance(expected, bool) or isinstance(got, bool):
        return got is expected
    if isinstance(expected, int | float) and isinstance(got, int | float):
        return bool(got == expected) or _close(got, expected)
    if isinstance(expected, list) and isinstance(got, list):
        return len(got) == len(expected) and all(map(same, got, expected))
    if isinstance(expected, dict) and isinstance(got, dict):
        return got.keys() == expected.keys() and all(same(got[key], expected[key]) for key in expected)
    return bool(type(got) is type(expected) and got == expected)


def _close(got: float, expected: float) -> bool:
    try:
        return math.isclose(got, expected, rel_tol=1e-6, abs_tol=1e-9)
    except OverflowError:  # an integer beyond the range of floats
        return False


def _told(function: str, case: Case, called: Called) -> tuple[str, str, str]:
    call = f"{function}({', '.join(map(repr, case.arguments))})"
    got = f"raised {called.error}: {called.message}" if called.error else f"returned {called.value!r:.200}"
    return f"{call} {got}", f"{case.expected!r:.200}", "Which step of your function gives the difference? Call it with these arguments."
