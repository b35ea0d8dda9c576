"""Where the device had nothing to do, and what the thread that feeds it did meanwhile."""

import re
from collections.abc import Sequence

from labkit import show
from labkit.profile.steps import Steps, spans, step_of
from labkit.profile.units import Hover, share_text, table, time_text
from labkit.trace.analysis import Gap, gaps, launched_by, self_times, shared
from labkit.trace.model import Call, Op, Trace, Work
from labkit.trace.names import short
from labkit.trace.readings import in_calls

HEADER = ("gap", "after", "before", "next one launched", "mostly in", "in CUDA calls", "longest call")
MEANWHILE = "What its thread did outside CUDA calls is Python and C++ on the host"


def show_waits(trace: Trace, label: Steps, first: int, last: int, rows: int = 5) -> None:
    """Show the longest gaps in the work of several steps, the gaps between two steps included."""
    if step_of(trace, label, first) is None or step_of(trace, label, last) is None:
        return
    chosen = spans(trace, label)[first : last + 1]
    owner = {work: span.name for span in chosen for work in launched_by(trace, span)}
    found = gaps(owner)
    if not found:
        show.text(f"{chosen[0].name} to {chosen[-1].name}: there are no gaps.")
        return
    where = [(owner[gap.before], owner[gap.after]) for gap in found[:rows]]
    places = [f"inside {one}" if one == two else f"between {one} and {two}" for one, two in where]
    cells = [(row[0], place, *row[1:]) for row, place in zip(describe(trace, chosen[0].thread, found[:rows]), places, strict=True)]
    title = f"The {len(cells)} longest of {len(found)} gaps in the work of {chosen[0].name} to {chosen[-1].name}"
    table(f"{title}. {MEANWHILE}", (HEADER[0], "where", *HEADER[1:]), cells)


def describe(trace: Trace, thread: int, found: Sequence[Gap]) -> list[tuple[str, ...]]:
    """Return a table's rows about gaps: their length, the work around them, and what a thread did meanwhile."""
    asked = {(gap.after.process, gap.after.correlation) for gap in found}
    launched = {(call.process, call.correlation): call for call in trace.calls if (call.process, call.correlation) in asked}
    return [_row(trace, thread, gap, launched.get((gap.after.process, gap.after.correlation))) for gap in found]


def meanwhile(trace: Trace, thread: int, start: int, end: int) -> tuple[str, int, str, int]:
    """Return the innermost range in which a thread spent most of a time and how long, its longest CUDA call, and the time in all of them."""
    ranges = sorted((span for span in trace.ranges if span.thread == thread), key=lambda span: (span.start, -span.end))
    clipped = [Op(s.name, max(s.start, start), min(s.end, end), thread, s.process) for s in ranges if s.start < end and s.end > start]
    inner = next(iter(self_times(clipped)), None)
    calls = [(call, ns) for call, ns in shared(trace.calls, start, end) if call.thread == thread]
    inside = in_calls(trace, thread, start, end)
    return (inner.name if inner else "no range", inner.ns if inner else 0, re.sub(r"_v\d+$", "", calls[0][0].name) if calls else "", inside)


def _row(trace: Trace, thread: int, gap: Gap, call: Call | None) -> tuple[str, ...]:
    name, ns, longest, inside = meanwhile(trace, thread, gap.start, gap.end)
    return (
        time_text(gap.ns),
        _name(gap.before),
        _name(gap.after),
        _when(gap, call),
        f"{name} ({ns / gap.ns:.0%})",
        share_text(inside, gap.ns),
        longest or "–",
    )


def _name(work: Work) -> Hover:
    return Hover({"memcpy": f"copy {work.name}", "memset": "memset"}.get(work.kind) or short(work.name), work.name)


def _when(gap: Gap, call: Call | None) -> str:
    """Say whether the device waited for the host: its next work was not even launched when it ran out of work."""
    if call is None:
        return "unknown"
    if call.start < gap.start:
        return f"{time_text(gap.start - call.start)} before the gap"
    return f"{time_text(call.start - gap.start)} into the gap"
