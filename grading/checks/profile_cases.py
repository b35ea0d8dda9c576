"""Traces that a learner's `launched_by` is called with: the examples, the edges of a range, and random ones of this learner's."""

import hashlib
import random
from collections.abc import Iterator

from grading.cases import Case
from labkit.checks.profile_examples import Example, examples, expected

HIDDEN_CASES = 12
SPAN = {"start": 100, "end": 200, "thread": 11, "process": 1}
LAST_START = 280


def cases(learner: str) -> list[Case]:
    """The examples, an empty trace, the edges, and random traces, different for each learner."""
    draw = random.Random(hashlib.sha256(f"launched_by:{learner}".encode()).digest())  # noqa: S311 - no secret
    drawn = [_drawn(draw) for _ in range(HIDDEN_CASES)]
    return [Case(arguments, expected(*arguments)) for arguments in (*examples(), (SPAN, [], []), _edges(), *drawn)]


def _edges() -> Example:
    """Calls that begin with the range and end with it belong to it; those one unit longer do not."""
    times = [(100, 110), (99, 105), (190, 200), (195, 201)]
    calls = [{"start": a, "end": b, "thread": 11, "process": 1, "correlation": i} for i, (a, b) in enumerate(times)]
    kernels = [{"id": 9 - i, "start": 205 + 10 * i, "end": 210 + 10 * i, "process": 1, "correlation": i} for i in range(4)]
    return SPAN, calls, kernels


def _drawn(draw: random.Random) -> Example:
    """Two processes with two threads each. A correlation number occurs once in a process, as CUPTI has it, and often in both."""
    calls = []
    for process in (1, 2):
        for correlation in draw.sample(range(1, 12), draw.randint(3, 8)):
            start = draw.randint(0, LAST_START)
            thread = 10 * process + draw.randint(1, 2)
            calls.append(
                {"start": start, "end": start + draw.randint(1, 30), "thread": thread, "process": process, "correlation": correlation}
            )
    draw.shuffle(calls)
    idents = iter(draw.sample(range(100), 3 * len(calls)))
    kernels = [kernel for call in calls for kernel in _asked(draw, call, idents)]
    draw.shuffle(kernels)
    process, start = draw.randint(1, 2), draw.randint(0, 150)
    span = {"start": start, "end": start + draw.randint(60, 130), "thread": 10 * process + draw.randint(1, 2), "process": process}
    return span, calls, kernels


def _asked(draw: random.Random, call: dict[str, int], idents: Iterator[int]) -> list[dict[str, int]]:
    """The kernels of a call: none, one, or a graph's; each some time after its call."""
    same = {"process": call["process"], "correlation": call["correlation"]}
    starts = [call["start"] + draw.randint(1, 90) for _ in range(draw.choice((0, 1, 1, 1, 3)))]
    return [{"id": next(idents), "start": start, "end": start + 5, **same} for start in starts]
