"""Draw a stretch of a trace: what the host said it did, its CUDA calls, and what the device did, on one time axis."""

from collections.abc import Sequence
from typing import Any

from labkit import plots, show
from labkit.plots import show_figure
from labkit.profile.bars import BINS, LEFT, RIGHT, ROW, WIDTH, Drawer
from labkit.profile.lanes import Lane, lanes, window
from labkit.profile.steps import Steps, spans, step_of
from labkit.profile.units import count_text, share_text, table, time_text
from labkit.trace.analysis import gaps, launched_by
from labkit.trace.model import Trace

__all__ = ["describe", "figure_of", "plot_step", "plot_timeline", "plot_wait", "rows_of", "window"]

ABOVE, BELOW, APART = 0.5, 0.5, 0.4  # inches over and under the lanes; rows between two lanes
TALL = 1.8  # rows: a lane of calls or kernels, whose heights are read
AROUND = 0.25  # of a gap's length: what is shown before and after it


def plot_timeline(
    trace: Trace, *, start: int | None = None, end: int | None = None, label: str = "", marked: tuple[int, int] | None = None
) -> None:
    """Show a stretch of a trace, all of it unless told otherwise, as lanes on one time axis, with a table of what the lanes hold.

    `marked` is a time that is shaded.
    """
    start, end = bounds(trace, start, end)
    found = lanes(trace, start, end)
    if not found:
        show.text(f"Nothing was recorded between {time_text(start)} and {time_text(end)}: there is no timeline.")
        return
    show_figure(figure_of(found, start, end, label, marked), describe(found, start, end, label))
    table(*rows_of(found, start, end, label))


def plot_step(trace: Trace, label: Steps, number: int) -> None:
    """Show one step of the engine, up to the end of the last work that it launched."""
    span = step_of(trace, label, number)
    if span is not None:
        start, end = window(trace, span)
        plot_timeline(trace, start=start, end=end, label=f"Step {number}: {span.name}")


def plot_wait(trace: Trace, label: Steps, first: int, last: int) -> None:
    """Show the longest gap in the work of some steps, with what stands around it."""
    if step_of(trace, label, first) is None or step_of(trace, label, last) is None:
        return
    chosen = spans(trace, label)[first : last + 1]
    found = gaps({work for span in chosen for work in launched_by(trace, span)})
    if not found:
        show.text(f"{chosen[0].name} to {chosen[-1].name}: there are no gaps.")
        return
    gap, around = found[0], int(found[0].ns * AROUND)
    name = f"The longest gap from {chosen[0].name} to {chosen[-1].name}: {time_text(gap.ns)}"
    plot_timeline(trace, start=gap.start - around, end=gap.end + around, label=f"{name}, shaded", marked=(gap.start, gap.end))


def bounds(trace: Trace, start: int | None, end: int | None) -> tuple[int, int]:
    """Return a window's two ends: those of the trace where none is given."""
    times = [(event.start, event.end) for kind in (trace.work, trace.calls, trace.ranges, trace.ops) for event in kind]
    first = min((begun for begun, _ in times), default=0) if start is None else start
    return first, max((ended for _, ended in times), default=0) if end is None else end


def describe(found: Sequence[Lane], start: int, end: int, label: str) -> str:
    """Return the plot in words: what each lane holds, and how much of the time."""
    each = [
        f"{_flat(lane.name)}: {count_text(len(lane.events), 'event')}, {share_text(lane.busy, end - start)} of the time" for lane in found
    ]
    return f"Timeline of {label or 'the trace'}, {time_text(end - start)} from {time_text(start)} on. {'; '.join(each)}."


def rows_of(found: Sequence[Lane], start: int, end: int, label: str) -> tuple[str, tuple[str, ...], list[tuple[str, ...]]]:
    """Return the plot's data as a table's title, header and rows."""
    title = f"What the timeline shows: {label or 'the trace'}, {time_text(end - start)} from {time_text(start)} on"
    return title, ("lane", "events", "busy", "of the time", "longest"), [_row(lane, end - start) for lane in found]


def figure_of(found: Sequence[Lane], start: int, end: int, label: str, marked: tuple[int, int] | None = None) -> Any:
    """Return the timeline, a matplotlib figure."""
    total = sum(_height(lane) + APART for lane in found)
    high = total * ROW + ABOVE + BELOW
    figure = plots.figure(WIDTH, high, layout=None)
    axes = figure.add_axes((LEFT / WIDTH, BELOW / high, 1 - (LEFT + RIGHT) / WIDTH, total * ROW / high))
    factor, unit = (1e9, "s") if end - start >= 2e9 else (1e6, "ms") if end - start >= 2e6 else (1e3, "µs")
    axes.set(
        xlim=(0, (end - start) / factor or 1),
        ylim=(-total + APART / 2, APART / 2),
        xlabel=f"{unit}; 0 is {time_text(start)} into the trace",
    )
    axes.grid(axis="x", alpha=0.35)
    axes.set_axisbelow(True)
    if marked:
        axes.axvspan(*((time - start) / factor for time in marked), facecolor="0.93", edgecolor="0.75", hatch="....", linewidth=0, zorder=0)
    _draw(axes, found, Drawer(axes, start, end, factor))
    figure.text(0.1 / WIDTH, 1 - 0.07 / high, label or "The trace", fontsize=9.5, fontweight="bold", va="top", parse_math=False)
    figure.text(0.1 / WIDTH, 1 - 0.27 / high, _caption(found), fontsize=8.5, va="top")
    figure.text(1 - 0.08 / WIDTH, 1 - 0.27 / high, "busy", fontsize=8.5, va="top", ha="right")
    return figure


def _draw(axes: Any, found: Sequence[Lane], drawer: Drawer) -> None:
    """Draw the lanes from top to bottom, each with its name at the left and the share of the time it is busy at the right."""
    places, top, length = [], 0.0, drawer.division * BINS
    for lane in found:
        height = _height(lane) / len(lane.rows)
        for index, row in enumerate(lane.rows):
            drawer.row(row, -top - (index + 1) * height, height * 0.88)
        places.append(-top - _height(lane) / 2)
        share = share_text(lane.busy, length)
        axes.text(1.008, places[-1], share, transform=axes.get_yaxis_transform(), va="center", fontsize=8.5)
        top += _height(lane) + APART
        axes.axhline(-top + APART / 2, color="0.75", linewidth=0.8)
    axes.set_yticks(places, [lane.name for lane in found], fontsize=8.5)
    axes.tick_params(axis="y", length=0)


def _height(lane: Lane) -> float:
    """Return how many rows high a lane is."""
    return TALL if lane.tall else float(len(lane.rows))


def _row(lane: Lane, length: int) -> tuple[str, ...]:
    longest = max(lane.events, key=lambda event: event.end - event.start, default=None)
    count = f"{len(lane.events):,}" + (f" (+ {lane.hidden:,} deeper ones, not drawn)" if lane.hidden else "")
    named = f"{time_text(longest.end - longest.start)} {longest.name.removeprefix(lane.name)}".rstrip() if longest else "–"
    return _flat(lane.name), count, time_text(lane.busy), share_text(lane.busy, length), named


def _flat(name: str) -> str:
    return name.replace("\n", ", ")


def _caption(found: Sequence[Lane]) -> str:
    waits = any(event.kind == "wait" for lane in found for event in lane.events)
    hatched = " Red, hatched calls wait for the GPU." if waits else ""
    return f"A bar is an event. Where events are too short for a bar each, the height is the busy share of the time.{hatched}"
