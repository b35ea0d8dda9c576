"""Draw a build: one bar per command, one lane per job slot, and a table of the commands that took longest."""

import heapq
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from labkit import plots, show
from labkit.build.ninja import Edge, running, slowest, split_object, wall_seconds
from labkit.plots import show_figure

TABLE_ROWS = 10
WIDTH, LANE, HEIGHT = 10.0, 0.42, 1.8  # inches: the figure, a lane, and what few lanes share to be tall enough for upright labels
CHARACTER, LINE = 0.07, 0.13  # inches: what a character of a label takes, and a line of them
SHORTEST = 4  # characters: less of a name says nothing
COMPILE, OTHER = "#9ecae1", "#fdae6b"  # light, so that black labels stay readable; a hatch tells them apart without colour
HATCH = "//"


def plot_timeline(edges: Sequence[Edge]) -> None:
    """Show a build as a Gantt plot, with the commands that took longest as a table. `edges` are of one run: see ninja.read_log's `since`."""
    if not edges:
        show.text("Nothing was built: there is no timeline.")
        return
    show_figure(timeline(edges), describe(edges))
    rows = [
        (e.name, f"{e.start_s:.1f} s", f"{e.seconds:.1f} s", f"{e.seconds / wall_seconds(edges):.0%}") for e in slowest(edges, TABLE_ROWS)
    ]
    title = (
        f"The {len(rows)} longest of {len(edges)} commands" if len(edges) > len(rows) else f"All {len(rows)} commands, the longest first"
    )
    show.table(title, ("output", "started at", "took", "of the build's wall time"), rows)


def timeline(edges: Sequence[Edge]) -> Any:
    """Return the Gantt plot of a build, a matplotlib figure: lanes are job slots, bars are commands."""
    slots = lanes(edges)
    begin, wall, count = min(e.start_s for e in edges), wall_seconds(edges) or 1e-3, max(slots) + 1
    lane = max(LANE, HEIGHT / count)
    figure = plots.figure(WIDTH, lane * count + 1.1)
    axes = figure.subplots()
    for edge, slot in zip(edges, slots, strict=True):
        compiles, left = split_object(edge.output) is not None, edge.start_s - begin
        style: dict[str, Any] = {"color": COMPILE} if compiles else {"color": OTHER, "hatch": HATCH}
        axes.barh(slot, edge.seconds, left=left, height=0.8, edgecolor="black", linewidth=0.5, **style)
        label, turned = _label(PurePosixPath(edge.name.split(" (")[0]).stem, edge.seconds / wall * WIDTH * 0.9, lane * 0.75)
        behind = None if compiles or not label else {"facecolor": "white", "edgecolor": "none", "pad": 1}
        axes.text(left + edge.seconds / 2, slot, label, ha="center", va="center", rotation=90 * turned, fontsize=7, bbox=behind)
    axes.set(xlabel="seconds since the first command began", ylabel="job slot", xlim=(0, wall), ylim=(count - 0.5, -0.5))
    axes.set_yticks(range(count), [str(slot + 1) for slot in range(count)])
    axes.set_title("plain bars compile a unit; hatched bars link, archive or generate", fontsize=9, loc="left")
    axes.grid(axis="x", alpha=0.4)
    axes.set_axisbelow(True)
    return figure


def lanes(edges: Sequence[Edge]) -> list[int]:
    """Return a job slot for each edge, from 0: the lowest that is free when the edge starts. Ninja's log does not name the slots."""
    busy: list[tuple[float, int]] = []
    free: list[int] = []
    found = [0] * len(edges)
    for index in sorted(range(len(edges)), key=lambda i: (edges[i].start_s, edges[i].end_s)):
        while busy and busy[0][0] <= edges[index].start_s:
            heapq.heappush(free, heapq.heappop(busy)[1])
        found[index] = heapq.heappop(free) if free else len(busy)
        heapq.heappush(busy, (edges[index].end_s, found[index]))
    return found


def describe(edges: Sequence[Edge]) -> str:
    """Return the plot in words: how many commands, how long, how many at once, and which one was the longest."""
    wall, longest = wall_seconds(edges), slowest(edges, 1)[0]
    busy = sum(e.seconds for e in edges)
    at_once = f"{busy / wall:.1f}" if wall else "1.0"
    return (
        f"Timeline of {len(edges)} commands in {wall:.1f} s on up to {max(jobs for _, jobs in running(edges))} job slots, {at_once} busy "
        f"on average. The longest command is {longest.name} with {longest.seconds:.1f} s."
    )


def _label(name: str, width: float, height: float) -> tuple[str, bool]:
    """A name shortened to what fits into a bar of this size in inches, and whether it is turned upright; "" where no useful part fits."""
    across, up = int(width / CHARACTER), int(height / CHARACTER) if width >= LINE else 0
    turned = across < min(len(name), up)
    room = up if turned else across
    return (name if len(name) <= room else f"{name[: room - 1]}…" if room > SHORTEST else ""), turned
