"""Small traces for `launched_by`: each one (span, calls, kernels) as dictionaries, and the ids that belong to the span."""

from copy import deepcopy
from typing import Any

SPAN = {"start": 100, "end": 200, "thread": 11, "process": 1}


def _call(start: int, end: int, correlation: int, thread: int = 11, process: int = 1) -> dict[str, int]:
    return {"start": start, "end": end, "thread": thread, "process": process, "correlation": correlation}


def _kernel(number: int, start: int, end: int, correlation: int, process: int = 1) -> dict[str, int]:
    return {"id": number, "start": start, "end": end, "process": process, "correlation": correlation}


Example = tuple[dict[str, int], list[dict[str, int]], list[dict[str, int]]]
_EXAMPLES: tuple[Example, ...] = (
    # 1: the second kernel runs when the range is closed; the third ran inside it, but was launched before
    (SPAN, [_call(80, 85, 1), _call(110, 115, 2), _call(120, 125, 3)], [_kernel(1, 120, 140, 2), _kernel(2, 210, 260, 3), _kernel(3, 105, 118, 1)]),
    # 2: another process uses the same correlation number
    (SPAN, [_call(110, 115, 7), _call(112, 117, 7, thread=22, process=2)], [_kernel(1, 130, 140, 7), _kernel(2, 131, 141, 7, process=2)]),
    # 3: a graph is one call with many kernels, here out of order; another thread launches meanwhile
    # and a call is still running when the range is closed
    (
        SPAN,
        [_call(150, 160, 4), _call(150, 160, 5, thread=12), _call(195, 205, 6)],
        [_kernel(3, 190, 195, 4), _kernel(1, 170, 175, 4), _kernel(2, 176, 189, 5), _kernel(4, 210, 220, 6)],
    ),
)  # fmt: skip
EXPECTED: tuple[list[int], ...] = ([1, 2], [1], [1, 3])


def examples() -> list[Example]:
    """Return the examples, made anew: a learner's function may change what it is given."""
    return deepcopy(list(_EXAMPLES))


def expected(span: dict[str, Any], calls: list[dict[str, Any]], kernels: list[dict[str, Any]]) -> list[int]:
    """Return the ids of the kernels that were asked for by calls on the span's thread that begin and end inside it."""
    asked = {
        (call["process"], call["correlation"])
        for call in calls
        if call["thread"] == span["thread"] and span["start"] <= call["start"] and call["end"] <= span["end"]
    }
    return sorted(kernel["id"] for kernel in kernels if (kernel["process"], kernel["correlation"]) in asked)
