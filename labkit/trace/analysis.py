"""What a trace says: which work a range launched, how busy the device was, where it waited, and what moved."""

import bisect
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter, itemgetter
from typing import NamedTuple, TypeVar

from labkit.trace.kept import kept
from labkit.trace.model import Call, Op, Range, Trace, Work

LAUNCH = re.compile(r"cu(da)?(Launch(?!HostFunc)|GraphLaunch)")  # cudaLaunchKernel_v7000, cuLaunchKernelEx, cudaGraphLaunch_v10000, ...
START = attrgetter("start")
NAME, OP_START, OP_END = itemgetter(0), itemgetter(1), itemgetter(2)
Open = tuple[int, str | None, int]  # when an operator ends, its name, its own time so far
NOBODY: Open = (2**64, None, 0)  # below all operators: times fit in 64 bits
Spanned = TypeVar("Spanned", Call, Op, Range)


@dataclass(frozen=True, slots=True)
class Total:
    """All work of one name: how often, and how long in nanoseconds."""

    name: str
    count: int
    ns: int


class Gap(NamedTuple):
    """A time in which the device had nothing to do, and the work around it."""

    start: int
    end: int
    before: Work
    after: Work

    @property
    def ns(self) -> int:
        """Length in nanoseconds."""
        return self.end - self.start


@kept
def steps(trace: Trace, label: str) -> list[Range]:
    """Return the ranges named `label 0`, `label 1`, ... in the order of their numbers."""
    numbered = re.compile(rf"{re.escape(label)} (\d{{1,6}})")
    found = [(int(match[1]), span) for span in trace.ranges if (match := numbered.fullmatch(span.name))]
    return [span for _, span in sorted(found, key=lambda pair: (pair[0], pair[1].start))]


def within(events: Sequence[Spanned], span: Range) -> list[Spanned]:
    """Return the events, sorted by start, that began and ended on the range's thread while it was open."""
    first = bisect.bisect_left(events, span.start, key=START)
    last = bisect.bisect_right(events, span.end, key=START)
    end, thread = span.end, span.thread
    return [event for event in events[first:last] if event.end <= end and event.thread == thread]


@kept
def ops_in(trace: Trace, span: Range) -> list[Op]:
    """Return the operators that began and ended on the range's thread while it was open."""
    return within(trace.ops, span)


@kept
def launched_by(trace: Trace, span: Range) -> list[Work]:
    """Return the work that host calls inside the range asked for, whenever the device got round to it."""
    asked = dict.fromkeys((call.process, call.correlation) for call in within(trace.calls, span))
    return sorted((work for key in asked for work in trace.asked_by.get(key, ())), key=lambda work: work.start)


def overlapping(trace: Trace, span: Range) -> list[Work]:
    """Return the work that ran while the range was open: the attribution that the lesson warns of, kept to show the difference."""
    return [work for work in trace.work if work.start < span.end and work.end > span.start]


def totals(work: Iterable[Work]) -> list[Total]:
    """Add up work by name, the longest first."""
    counts: Counter[str] = Counter()
    times: Counter[str] = Counter()
    for item in work:
        counts[item.name] += 1
        times[item.name] += item.end - item.start
    return sorted((Total(name, counts[name], times[name]) for name in counts), key=lambda total: (-total.ns, total.name))


def self_times(ops: Sequence[Op]) -> list[Total]:
    """Add up operators by name, the longest first: each one's own time, without that of the operators it called."""
    counts = Counter(map(NAME, ops))
    times: dict[str | None, int] = {None: 0, **dict.fromkeys(counts, 0)}
    stacks: dict[int, list[Open]] = {}  # by thread: the operators that are open, without the innermost
    now: int | None = None
    stack: list[Open] = []
    closes, inner, own = NOBODY
    for name, start, end, thread, _ in _outer_first(ops):  # a trace has 46,000 operators: no more per one
        if thread != now:
            stack.append((closes, inner, own))
            now, stack = thread, stacks.setdefault(thread, [NOBODY])
            closes, inner, own = stack.pop()
        while closes <= start:
            times[inner] += own
            closes, inner, own = stack.pop()
        own -= (end if end < closes else closes) - start
        stack.append((closes, inner, own))
        closes, inner, own = end, name, end - start
    stack.append((closes, inner, own))
    for _, opened, left in chain(*stacks.values()):
        times[opened] += left
    return sorted((Total(name, counts[name], times[name]) for name in counts), key=lambda total: (-total.ns, total.name))


def _outer_first(ops: Sequence[Op]) -> list[Op]:
    """Sort by start; of those that start together the longest comes first."""
    if len(set(map(OP_START, ops))) < len(ops):
        ops = sorted(ops, key=OP_END, reverse=True)
    return sorted(ops, key=OP_START)  # takes next to no time where they are sorted


def covered(times: Iterable[tuple[int, int]]) -> int:
    """Return how long at least one of these times lasted."""
    total = last = 0
    for start, end in sorted(times):
        total += max(0, end - max(start, last))
        last = max(last, end)
    return total


def busy(work: Iterable[Work]) -> int:
    """Return for how many nanoseconds at least one piece of work ran."""
    return covered((item.start, item.end) for item in work)


def gaps(work: Iterable[Work]) -> list[Gap]:
    """Return the times between two pieces of work in which none ran, the longest first."""
    ordered = sorted(work, key=lambda item: item.start)
    found: list[Gap] = []
    last = ordered[0] if ordered else None  # the work that ended latest so far
    for item in ordered[1:]:
        assert last is not None
        if item.start > last.end:
            found.append(Gap(last.end, item.start, last, item))
        if item.end > last.end:
            last = item
    return sorted(found, key=lambda gap: (-gap.ns, gap.start))


def moved(work: Iterable[Work]) -> dict[str, tuple[int, int]]:
    """Return how many copies and how many bytes there were in each direction."""
    found: dict[str, tuple[int, int]] = {}
    for item in work:
        if item.kind == "memcpy":
            count, size = found.get(item.name, (0, 0))
            found[item.name] = (count + 1, size + item.size)
    return found


def launches(trace: Trace, span: Range) -> list[Call]:
    """Return the host calls inside the range that launch a kernel or a CUDA graph."""
    return [call for call in within(trace.calls, span) if LAUNCH.match(call.name)]


def shared(events: Iterable[Spanned], start: int, end: int) -> list[tuple[Spanned, int]]:
    """Return the events that have a share in a time, with their nanoseconds of it, the largest share first."""
    found = [(event, min(event.end, end) - max(event.start, start)) for event in events]
    return sorted(((event, ns) for event, ns in found if ns > 0), key=lambda pair: (-pair[1], pair[0].start))
