"""Shows a learner's function on the small traces of lesson 05: what was put in, and what came back."""

from collections.abc import Sequence
from typing import Any

from labkit import show
from labkit.checks.profile_examples import Example
from labkit.rows import RAISED, RETURNED


def show_examples(examples: Sequence[Example], results: Sequence[Any]) -> None:
    """Show each example as a table, calls and kernels in the order of time, and what the function returned for it."""
    for number, ((span, calls, kernels), result) in enumerate(zip(examples, results, strict=True), 1):
        events = [("call", "", call["start"], call["end"], f"{call['thread']}", call) for call in calls]
        events += [("kernel", str(kernel["id"]), kernel["start"], kernel["end"], "GPU", kernel) for kernel in kernels]
        rows = [
            (kind, ident, f"{start} to {end}", place, f"{event['process']}", f"{event['correlation']}")
            for kind, ident, start, end, place, event in sorted(events, key=lambda event: event[2])
        ]
        said = result if isinstance(result, str) and result.startswith((RAISED, RETURNED)) else f"returned {result}"
        title = f"Example {number}: the range is open from {span['start']} to {span['end']} on thread {span['thread']} of process {span['process']}. Your function {said}"
        show.table(title, ("what", "id", "time", "thread", "process", "correlation"), rows)
