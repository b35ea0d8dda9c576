"""Traces that a learner's `launched_by` is called with: the examples, an empty one, and random ones of this learner's."""

import hashlib
import random

from grading.cases import Case
from labkit.checks.profile_examples import SPAN, examples, expected

HIDDEN_CASES = 12


def cases(learner: str) -> list[Case]:
    """The examples, and small random traces of this learner's: two processes, three threads, few correlation numbers, so that joins collide."""
    draw = random.Random(hashlib.sha256(f"launched_by:{learner}".encode()).digest())  # noqa: S311 - no secret
    drawn = [_drawn(draw) for _ in range(HIDDEN_CASES)]
    return [Case(arguments, expected(*arguments)) for arguments in (*examples(), (SPAN, [], []), *drawn)]


def _drawn(draw: random.Random) -> tuple[dict[str, int], list[dict[str, int]], list[dict[str, int]]]:
    calls = []
    for _ in range(draw.randint(3, 9)):
        process, start = draw.randint(1, 2), draw.randint(60, 220)
        thread = 10 * process + draw.randint(1, 2)
        calls.append(
            {"start": start, "end": start + draw.randint(1, 30), "thread": thread, "process": process, "correlation": draw.randint(1, 9)}
        )
    kernels = [
        {
            "id": i,
            "start": (start := draw.randint(60, 300)),
            "end": start + 5,
            "process": draw.randint(1, 2),
            "correlation": draw.randint(1, 9),
        }
        for i in draw.sample(range(100), draw.randint(3, 12))
    ]
    return SPAN, calls, kernels
