"""The numbers that a lesson asks for and that a check computes again: of steps, of what costs most, and of the gaps between."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from labkit.trace.analysis import Gap, busy, covered, gaps, launched_by, launches, ops_in, self_times, steps, totals
from labkit.trace.kept import kept
from labkit.trace.model import Range, Trace
from labkit.trace.names import label as labelled
from labkit.trace.names import role


class Step(NamedTuple):
    """One step in numbers, times in nanoseconds. `busy` and `gap` are of the work that the step launched, whenever it ran."""

    name: str
    decodes: bool  # False for the prefill
    host: int
    calls: int  # that launch a kernel or a graph
    kernels: int
    graphs: int  # CUDA graphs of which the trace has no nodes
    busy: int
    gap: int
    ops: int
    op_time: int  # in operators, those they call included

    @property
    def busy_percent(self) -> float:
        """The share of the step, measured on the host, in which the device was busy with the step's work."""
        return 100 * self.busy / self.host if self.host else 0.0


@dataclass(frozen=True, slots=True)
class Cost:
    """All work of one name: its short name, unique among those listed with it, its full name, and time in nanoseconds."""

    name: str
    full: str
    role: str
    count: int
    ns: int


class Wait(NamedTuple):
    """A gap, and what the launching thread did in it: nanoseconds inside CUDA calls; the steps whose work stands around it."""

    gap: Gap
    in_calls: int
    steps: tuple[str, str]

    @property
    def where(self) -> str:
        """Either "inside" one step's work, or "between" that of two."""
        return "inside" if self.steps[0] == self.steps[1] else "between"

    @property
    def cause(self) -> str:
        """Either "cuda" when the thread spent most of the gap inside CUDA calls, else "host"."""
        return "cuda" if 2 * self.in_calls > self.gap.ns else "host"


@kept
def measure(trace: Trace, span: Range, *, decodes: bool) -> Step:
    """Return what one step cost."""
    work, ops = launched_by(trace, span), ops_in(trace, span)
    kinds = [item.kind for item in work]
    return Step(
        name=span.name,
        decodes=decodes,
        host=span.end - span.start,
        calls=len(launches(trace, span)),
        kernels=kinds.count("kernel"),
        graphs=kinds.count("graph"),
        busy=busy(work),
        gap=max((gap.ns for gap in gaps(work)), default=0),
        ops=len(ops),
        op_time=sum(total.ns for total in self_times(ops)),
    )


def measured(trace: Trace, spans: Sequence[Range]) -> list[Step]:
    """Return what each step cost. Step 0 is the prefill: by the number that ends its range's name, or else the first."""
    found = []
    for index, span in enumerate(spans):
        number = re.search(r" (\d{1,6})$", span.name)
        found.append(measure(trace, span, decodes=int(number[1]) > 0 if number else index > 0))
    return found


def costs(trace: Trace, spans: Sequence[Range]) -> list[Cost]:
    """Return what the ranges spent their time on, the longest first: kernels and graphs that they launched, or torch operators where there is no device."""
    if trace.work:
        found = totals(work for span in spans for work in launched_by(trace, span) if work.kind in ("kernel", "graph"))
    else:
        found = self_times([op for span in spans for op in ops_in(trace, span)])
    short = labelled(total.name for total in found)
    return [Cost(short[total.name], total.name, role(total.name), total.count, total.ns) for total in found]


@kept
def waits(trace: Trace, label: str, first: int, last: int, most: int = 10) -> list[Wait]:
    """Return the longest gaps in the work that steps `first` to `last` launched, the longest first. Raises IndexError without such steps."""
    spans = steps(trace, label)[first : last + 1]
    if len(spans) != last + 1 - first:
        raise IndexError(f"there are no steps {first} to {last} named {label!r}")
    owner = {work: span.name for span in spans for work in launched_by(trace, span)}
    return [
        Wait(gap, in_calls(trace, spans[0].thread, gap.start, gap.end), (owner[gap.before], owner[gap.after])) for gap in gaps(owner)[:most]
    ]


def in_calls(trace: Trace, thread: int, start: int, end: int) -> int:
    """Return for how much of a time a thread was inside a CUDA call. Calls of one thread may nest: the driver's inside the runtime's."""
    mine = (call for call in trace.calls if call.thread == thread and call.start < end and call.end > start)
    return covered((max(call.start, start), min(call.end, end)) for call in mine)
