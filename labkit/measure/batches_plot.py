"""The plot of a sweep over batch sizes: throughput against ideal linear scaling, and latency beside it."""

from collections.abc import Mapping, Sequence
from typing import Any

from labkit import plots
from labkit.checks.batch_sweep import LINEAR_SHARE, Point, knee
from labkit.plots import show_figure

PERCENT = f"{LINEAR_SHARE:.0%}"


def plot_sweep(
    found: Sequence[Point], wanted: Mapping[str, Any], other: Mapping[str, Any] | None = None, *, answered: bool = False
) -> None:
    """Show throughput and latency by batch size on logarithmic axes; `other` is a recorded sweep to draw beside the learner's own.

    The knee is to be found first: only a plot that comes after the exercise (`answered`) marks it.
    """
    figure = draw_sweep(found, wanted, other, answered=answered)
    first, last = found[0], found[-1]
    one = first.rate.median / first.size
    best = f"; {knee(found)} is the largest size that keeps {PERCENT} of it" if answered else ""
    also = f" The {_card(other)}'s recorded curve lies above it and leaves its own ideal line after a batch of 16." if other else ""
    show_figure(
        figure,
        f"Two plots with logarithmic axes. Left: output tokens per second by batch size, {first.rate.median:,.0f} at {first.size} and "
        f"{last.rate.median:,.0f} at {last.size}, where ideal linear scaling would give {one * last.size:,.0f}{best}."
        f"{also} Right: the time to the first token rises from {first.first_token[0]:.3g} to {last.first_token[0]:.3g} s, "
        f"the time of a step from {first.step:.3g} to {last.step:.3g} s.",
    )


def draw_sweep(found: Sequence[Point], wanted: Mapping[str, Any], other: Mapping[str, Any] | None, *, answered: bool) -> Any:
    """Return the figure of `plot_sweep`."""
    figure = plots.figure(9.4, 4.2)
    left, right = figure.subplots(1, 2)
    top = wanted.get("options", {}).get("max_num_seqs", 0)
    for axes in (left, right):
        if top:
            axes.axvline(top, color="0.45", linestyle=(0, (1, 2)), linewidth=1.2, label=f"max_num_seqs = {top}")
    _throughput(left, found, other)
    if answered:
        _ring(left, next(p for p in found if p.size == knee(found)))
    _legend(left)
    _latency(right, found)
    ticks = sorted({p.size for p in found} | {row[0] for row in (other or {}).get("points", []) if row[0] > found[-1].size})
    for axes, marks in ((left, ticks), (right, [p.size for p in found])):
        axes.set(xscale="log", yscale="log", xlabel="batch size: requests asked for at once")
        axes.set_xticks(marks, [str(mark) for mark in marks])
        axes.minorticks_off()
        axes.grid(alpha=0.4)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")
    left.set_ylim(top=left.get_ylim()[1] * (30 if other else 6))  # room for the legend
    right.set_ylim(top=right.get_ylim()[1] * 3)
    return figure


def _throughput(axes: Any, found: Sequence[Point], other: Mapping[str, Any] | None) -> None:
    sizes, rates = [p.size for p in found], [p.rate.median for p in found]
    spread = [[p.rate.median - p.rate.low for p in found], [p.rate.high - p.rate.median for p in found]]
    axes.errorbar(
        sizes, rates, yerr=spread, color=plots.BLUE, marker=plots.MARKERS[0], capsize=4, label="yours, and the spread of its repeats"
    )
    axes.plot(sizes, [rates[0] / sizes[0] * size for size in sizes], color=plots.BLUE, linestyle="--", linewidth=1, label="ideal: linear")
    if other:
        theirs, speed = [row[0] for row in other["points"]], [row[2] for row in other["points"]]
        axes.plot(theirs, speed, color=plots.ORANGE, marker=plots.MARKERS[1], label=f"{_card(other)}, recorded")
        axes.plot(theirs, [speed[0] / theirs[0] * size for size in theirs], color=plots.ORANGE, linestyle="--", linewidth=1)
    axes.set(title="Throughput", ylabel="output tokens per second")


def _ring(axes: Any, best: Point) -> None:
    axes.plot([best.size], [best.rate.median], marker="o", markersize=14, markerfacecolor="none", markeredgecolor=plots.RED, linestyle="none",
              markeredgewidth=1.8, label=f"the knee: still {PERCENT} of ideal")  # fmt: skip


def _legend(axes: Any) -> None:
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda i: not labels[i].startswith("yours"))  # matplotlib lists error bars last
    axes.legend([handles[i] for i in order], [labels[i] for i in order], loc="upper left")


def _latency(axes: Any, found: Sequence[Point]) -> None:
    sizes = [p.size for p in found]
    lines = (
        ("first token, 95th percentile", [p.first_token[1] for p in found], plots.PINK, plots.MARKERS[3], ":"),
        ("first token, median", [p.first_token[0] for p in found], plots.GREEN, plots.MARKERS[2], "-"),
        ("step: between two tokens, median", [p.step for p in found], plots.BLUE, plots.MARKERS[0], "-"),
    )
    for label, seconds, colour, marker, style in lines:
        axes.plot(sizes, [1000 * s for s in seconds], color=colour, marker=marker, linestyle=style, label=label)
    axes.set(title="Latency", ylabel="milliseconds")
    axes.legend(loc="upper left")


def _card(other: Mapping[str, Any]) -> str:
    return " ".join(str(other["machine"]).split()[1:2])  # "NVIDIA H100 80GB …"
