"""What a wrong answer of lesson 05 most likely comes from."""

import statistics
from typing import Any

from labkit.checks.profile_traces import Profiled
from labkit.trace.readings import measure

CLOSE = 0.006  # of a number: tables show three digits


def step_advice(given: Any, mine: Profiled, times: list[float]) -> str:
    """Say what another number than the median step is."""
    prefill = (mine.steps[0].end - mine.steps[0].start) / 1e6
    every = [prefill, *times]
    if abs(given - statistics.mean(times)) <= CLOSE * given or abs(given - statistics.mean(every)) <= CLOSE * given:
        return "That is a mean; one slow step moves it. The median does not care."
    return "The times of your ranges 1, 2, … on the host: the middle one, in milliseconds."


def matmul_advice(given: Any, together: int) -> str:
    """Say how to count matrix multiplications."""
    if given == together:
        return "That is for all decode steps together: divide by their number."
    return "Add up the counts of the rows whose role is GEMM, for one step. Four in each layer, and one for the logits."


def neighbour(what: str, given: Any, found: Profiled, number: int, field: str) -> str:
    """Say whose number was read, if it is that of another step."""
    same = [i for i, span in enumerate(found.steps) if getattr(measure(found.trace, span, decodes=True), field) == given]
    if same and number not in same:
        return f"That is the number of step {same[0]}; yours is step {number}."
    return f"The column `{what}` in the row of step {number}."


def floor_advice(given: Any, true: float) -> str:
    """Say in which unit a floor was given, or what it is made of."""
    for factor, unit in ((1e-6, "seconds"), (1e-3, "milliseconds"), (1e3, "nanoseconds")):
        if abs(given - true * factor) <= CLOSE * true * factor:
            return f"That is in {unit}."
    return "Weights once, plus the KV cache of all earlier tokens, divided by the bandwidth."


def event_advice(chosen: set[str]) -> str:
    """Point at the first misconception among the chosen letters."""
    if "c" in chosen:
        return "Every system call? The table of step 1 says what osrt is."
    if "e" in chosen:
        return "Look at the table of step 1 again: which values does --trace not have?"
    return "Which of the six did you pass over?"
