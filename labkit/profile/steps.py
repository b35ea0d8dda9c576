"""The ranges of a trace that are steps of the engine, and what each of them cost."""

from collections.abc import Sequence

from labkit import show
from labkit.trace.analysis import steps
from labkit.trace.model import Range, Trace
from labkit.trace.readings import Step, measured

NAMED = 8  # names of a trace's ranges that a message lists
Steps = str | Sequence[Range]  # the word before the number in the ranges' names, or the ranges themselves


def spans(trace: Trace, label: Steps) -> list[Range]:
    """Return the steps' ranges; where there are none, say which ranges there are."""
    found = steps(trace, label) if isinstance(label, str) else list(label)
    if not found:
        names = list(dict.fromkeys(span.name for span in trace.ranges))
        listed = ", ".join(repr(name) for name in names[:NAMED]) + (", ..." if len(names) > NAMED else "")
        wanted = f"named {label + ' 0'!r}, {label + ' 1'!r}, ..." if isinstance(label, str) else "given"
        show.text(
            f"There are no ranges {wanted}. The trace has {listed or 'no ranges at all: is the gap in profiled.py filled, and was NVTX traced?'}"
        )
    return found


def step_of(trace: Trace, label: Steps, number: int) -> Range | None:
    """Return the range of one step; where there is none, say so."""
    found = spans(trace, label)
    if found and not 0 <= number < len(found):
        show.text(f"There is no step {number}: the steps are {found[0].name!r} to {found[-1].name!r}.")
    return found[number] if 0 <= number < len(found) else None


def measure_all(trace: Trace, label: Steps) -> list[Step]:
    """Return what each step cost."""
    return measured(trace, spans(trace, label))
