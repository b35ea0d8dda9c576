"""Tables and plots of lesson 06's part 1: time per call by build, tokens per second, and what is in a cubin."""

from collections.abc import Mapping
from typing import Any

from labkit import plots, show
from labkit.profile.units import time_text
from labkit.spread import Spread, spread

MICRO = 1e6
CALLS = ("build", "µs per call", "middle half, µs", "times Release")


def call_row(name: str, one: Spread, release: Spread) -> tuple[str, ...]:
    """Return a build's cells for a table with the header CALLS."""
    low, high = one.low * MICRO, one.high * MICRO
    return name, f"{one.median * MICRO:.2f}", f"{low:.2f} to {high:.2f}", f"{one.median / release.median:.2f}"


def show_device(title: str, table: Mapping[str, Mapping[str, Any]]) -> None:
    """Show one row per option of nvcc."""
    code = table["-O3"]["code_sha256"]
    header = ("options", "registers", "stack, bytes", "machine code as with -O3", "debug sections")
    rows = [
        (
            option,
            str(one["registers"]),
            str(one["stack_bytes"]),
            "the same" if one["code_sha256"] == code else "other",
            " ".join(one["debug_sections"]),
        )
        for option, one in table.items()
    ]
    show.table(title, header, rows)


def plot_calls(times: Mapping[str, Mapping[str, list[float]]]) -> None:
    """Draw the time per call of each build, one mark per size, on a logarithmic axis; the bar is the middle half."""
    names = list(next(iter(times.values())))
    figure = plots.figure(7.2, 0.42 * len(names) + 1.2)
    axes = figure.subplots()
    for place, (label, builds) in enumerate(times.items()):
        spreads = [spread([x * MICRO for x in builds[name]]) for name in names]
        middle = [one.median for one in spreads]
        reach = [[one.median - one.low for one in spreads], [one.high - one.median for one in spreads]]
        axes.errorbar(middle, range(len(names)), xerr=reach, fmt=plots.MARKERS[place], color=plots.CYCLE[place], label=label, capsize=3)
        for height, x in enumerate(middle):
            axes.annotate(time_text(x * 1e3), (x, height), (0, 6), textcoords="offset points", ha="center", fontsize=plots.SMALL)
    axes.set(
        xscale="log",
        xlabel="µs per call (median and middle half; each grid line is ten times the one before)",
        ylim=(len(names) - 0.4, -0.6),
    )
    axes.set_yticks(range(len(names)), names)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.grid(axis="x", which="major")
    axes.margins(x=0.12)
    figure.legend(loc="outside upper right", ncols=2)
    figure.suptitle("One call of vLLM's rotary_embedding", x=0.01, ha="left", fontsize=10, fontweight="bold")
    plots.show_figure(figure, "Time per call on a logarithmic axis, one row per build. " + _said(times))


def _said(times: Mapping[str, Mapping[str, list[float]]]) -> str:
    parts = (
        f"{label}: " + ", ".join(f"{name} {time_text(spread(x).median * 1e9)}" for name, x in builds.items())
        for label, builds in times.items()
    )
    return "; ".join(parts) + "."


def plot_tokens(runs: Mapping[str, list[float]]) -> None:
    """Draw each run's tokens per second as a point, one row per build, with the median and the middle half."""
    figure = plots.figure(7.2, 1.7)
    axes = figure.subplots()
    for place, rates in enumerate(runs.values()):
        one = spread(rates)
        axes.barh(place, one.high - one.low, 0.5, one.low, color=plots.CYCLE[place], alpha=0.25, hatch=plots.HATCHES[place])
        axes.plot(rates, [place] * len(rates), plots.MARKERS[place], color=plots.CYCLE[place], fillstyle="none")
        axes.plot([one.median] * 2, [place - 0.32, place + 0.32], color="black", linewidth=1.5)
    axes.set(
        xlabel="tokens per second (points: runs; bar: middle half; line: median)", ylim=(len(runs) - 0.5, -0.5), title="The whole engine"
    )
    axes.set_yticks(range(len(runs)), list(runs))
    axes.set_xlim(left=0)
    said = "; ".join(f"{name}: median {spread(rates).median:,.1f}" for name, rates in runs.items())
    plots.show_figure(figure, f"Tokens per second of each run of the engine, one row per build, on an axis from 0. {said}.")
