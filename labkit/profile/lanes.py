"""What a timeline shows, row by row: nested ranges and operators, calls by thread, work by stream. Drawing is elsewhere."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal, NamedTuple

from labkit.trace.analysis import covered, launched_by
from labkit.trace.model import Call, Op, Range, Trace, Work
from labkit.trace.names import short

LaneKind = Literal["range", "op", "call", "wait", "kernel", "copy", "set"]
DEEPEST = 6  # rows of nested ranges, and of operators, that are drawn
MOST = 4  # threads that are drawn, and streams: those with the most events
KINDS: dict[str, LaneKind] = {"kernel": "kernel", "graph": "kernel", "memcpy": "copy", "memset": "set"}


class Event(NamedTuple):
    """A piece of a row, cut to the window."""

    start: int
    end: int
    name: str
    kind: LaneKind


@dataclass(frozen=True)
class Lane:
    """Rows that belong together: nested events lie in rows below each other. `hidden` counts those too deep to be drawn.

    In a `tall` lane the heights are worth reading: calls and kernels are mostly shorter than a plot can show.
    """

    name: str
    rows: tuple[tuple[Event, ...], ...]
    hidden: int = 0
    tall: bool = False

    @cached_property
    def events(self) -> list[Event]:
        """All of its events."""
        return [event for row in self.rows for event in row]

    @cached_property
    def busy(self) -> int:
        """For how many nanoseconds at least one of its events lasted."""
        return covered((event.start, event.end) for event in self.events)


def lanes(trace: Trace, start: int, end: int) -> list[Lane]:
    """Return the lanes of a window of a trace: the host's, thread by thread, then the device's, which stay where it has nothing to do."""
    ranges, ops, calls = _cut(trace.ranges, start, end), _cut(trace.ops, start, end), _cut(trace.calls, start, end)
    threads = _most([thread for found in (ranges, ops, calls) for thread, _ in found]) or _most([call.thread for call in trace.calls])[:1]
    found: list[Lane] = []
    for number, thread in enumerate(threads, 1):
        name = f"\nthread {number}" if len(threads) > 1 else ""
        found += [nested(f"{word}{name}", _at(thread, events)) for word, events in (("ranges", ranges), ("torch operators", ops))]
        found.append(Lane(f"CUDA calls{name}", (_at(thread, calls),), tall=True))
    work = _cut(trace.work, start, end)
    kernels, others = [pair for pair in work if pair[1].kind == "kernel"], [event for _, event in work if event.kind != "kernel"]
    streams = sorted(_most([item.stream for item in trace.work if KINDS[item.kind] == "kernel"]))
    device = [Lane(f"kernels\nstream {stream}", (_at(stream, kernels),), tall=True) for stream in streams]
    copies = [Lane(name, (tuple(event for event in others if event.name == name),)) for name in sorted({event.name for event in others})]
    return [lane for lane in found if lane.events] + device + copies


def window(trace: Trace, span: Range) -> tuple[int, int]:
    """Return when a range began, and when it or the last work that it launched ended."""
    return span.start, max([span.end, *(work.end for work in launched_by(trace, span))])


def nested(name: str, events: Sequence[Event]) -> Lane:
    """Put each event into the first row that is free, so that what it contains lies below it."""
    rows: list[list[Event]] = []
    hidden = 0
    for event in sorted(events, key=lambda event: (event.start, -event.end)):
        free = next((row for row in rows if row[-1].end <= event.start), None)
        if free is not None:
            free.append(event)
        elif len(rows) < DEEPEST:
            rows.append([event])
        else:
            hidden += 1
    return Lane(name, tuple(map(tuple, rows)) or ((),), hidden)


def _at(place: int, events: Sequence[tuple[int, Event]]) -> tuple[Event, ...]:
    return tuple(event for where, event in events if where == place)


def _cut(events: Sequence[Range] | Sequence[Op] | Sequence[Call] | Sequence[Work], start: int, end: int) -> list[tuple[int, Event]]:
    """Return what lies in the window, cut to it, each with its thread or stream."""
    return [_event(e, max(e.start, start), min(e.end, end)) for e in events if e.start < end and e.end > start]


def _event(event: Range | Op | Call | Work, start: int, end: int) -> tuple[int, Event]:
    if isinstance(event, Work):
        kind = KINDS[event.kind]
        name = _short(event.name) if kind == "kernel" else f"copies {event.name}" if kind == "copy" else "memsets"
        return event.stream, Event(start, end, name, kind)
    if isinstance(event, Call):
        waits: LaneKind = "wait" if "Synchronize" in event.name else "call"
        return event.thread, Event(start, end, _unversioned(event.name), waits)
    return event.thread, Event(start, end, event.name, "range" if isinstance(event, Range) else "op")


def _most(places: Sequence[int]) -> list[int]:
    return [place for place, _ in Counter(places).most_common(MOST)]


@lru_cache(maxsize=4096)
def _short(name: str) -> str:
    return short(name)


@lru_cache(maxsize=4096)
def _unversioned(name: str) -> str:
    """cudaLaunchKernel of cudaLaunchKernel_v7000."""
    return re.sub(r"_v\d+$", "", name)
