"""The decode step of several runs side by side: eager, and with CUDA graphs."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from labkit import plots, show
from labkit.plots import show_figure
from labkit.profile.steps import Steps, measure_all
from labkit.profile.units import share_text, table, time_text
from labkit.trace.model import Trace
from labkit.trace.readings import Step

CLOCKS = ("without the profiler", "with it", "longer by")
BUSY, CALLS, KERNELS = plots.GREEN, plots.ORANGE, plots.SKY  # Okabe and Ito's colours; hatches tell the bars apart without colour


def compare_steps(runs: Mapping[str, tuple[Trace, Steps]]) -> None:
    """Show the median decode step of each run: its time, launch calls, kernels, and how long the GPU was busy."""
    decode = {name: [step for step in measure_all(trace, label) if step.decodes] for name, (trace, label) in runs.items()}
    missing = ", ".join(name for name, steps in decode.items() if not steps)
    if missing:
        show.text(f"There is nothing to compare: no decode steps in {missing}.")
        return
    middle = {name: medians(steps) for name, steps in decode.items()}
    show_figure(plot(middle), describe(middle))
    rows: list[tuple[str, ...]] = [
        ("decode steps", *(str(len(steps)) for steps in decode.values())),
        ("host time of a step", *(time_text(m["host"]) for m in middle.values())),
        ("launch calls", *(f"{m['calls']:,.0f}" for m in middle.values())),
        ("kernels", *(_kernels(m) for m in middle.values())),
        ("GPU busy", *(time_text(m["busy"]) for m in middle.values())),
        ("GPU busy, of host time", *(share_text(m["busy"], m["host"]) for m in middle.values())),
        ("largest gap inside the step", *(time_text(m["gap"]) for m in middle.values())),
    ]
    table("The decode step, medians", ("quantity", *middle), rows)


def show_cost(bare: Sequence[float], profiled: Sequence[float]) -> None:
    """Show what a profiler adds to a step: the seconds of each step without it and with it, the prefill first."""
    pairs = {"prefill": (bare[:1], profiled[:1]), "decode step, median": (bare[1:], profiled[1:])}
    table("What profiling costs", ("step", *CLOCKS), [(what, *_cells(*times)) for what, times in _medians(pairs).items()])


def show_clocks(runs: Mapping[str, Mapping[str, Any]]) -> None:
    """Show the median decode step of each run by its script's own clock, not recorded and recorded, and how many times the first takes the last.

    `runs` has the facts of each: the seconds of every step, the prefill first.
    """
    found = _medians({name: (facts.get("bare_seconds", [])[1:], facts.get("seconds", [])[1:]) for name, facts in runs.items()})
    rows: list[tuple[str, ...]] = [(name, *_cells(*times)) for name, times in found.items()]
    if len(found) > 1:
        first, *_, last = found
        rows.append((f"{first} / {last}", *(f"{one / other:.1f} ×" for one, other in zip(found[first], found[last], strict=True)), ""))
    table("The decode step by the script's own clock, medians", ("mode", *CLOCKS), rows)


def _medians(pairs: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> dict[str, tuple[float, float]]:
    """Return the medians of both sides of each pair that has them."""
    return {
        name: (median(bare), median(under)) for name, (bare, under) in pairs.items() if bare and under and median(bare) and median(under)
    }


def _cells(bare: float, under: float) -> tuple[str, str, str]:
    return time_text(bare * 1e9), time_text(under * 1e9), f"{under / bare - 1:+.1%}"


def medians(steps: Sequence[Step]) -> dict[str, float]:
    """Return the median of each number of some steps, each by itself."""
    return {field: median(getattr(step, field) for step in steps) for field in ("host", "calls", "kernels", "graphs", "busy", "gap")}


def describe(middle: Mapping[str, Mapping[str, float]]) -> str:
    """Return the plot in words."""
    each = [
        f"{name}: {time_text(m['host'])} per step, of which the GPU is busy for {time_text(m['busy'])} ({share_text(m['busy'], m['host'])}); "
        f"{m['calls']:,.0f} launch calls, kernels: {_kernels(m)}"
        for name, m in middle.items()
    ]
    return "Median decode step. " + ". ".join(each) + "."


def plot(middle: Mapping[str, Mapping[str, float]]) -> Any:
    """Return a figure: at the left each run's step as a bar with its busy part, at the right its launch calls and kernels."""
    figure = plots.figure(10, 0.75 * len(middle) + 1.0)
    left, right = figure.subplots(1, 2)
    places, numbers = range(len(middle)), list(middle.values())
    _bars(left, places, [m["host"] / 1e6 for m in numbers], [_step(m) for m in numbers], "white", "", "whole step, host")
    _bars(left, places, [m["busy"] / 1e6 for m in numbers], ["" for _ in numbers], BUSY, "//", "GPU busy")
    above, below = [p - 0.2 for p in places], [p + 0.2 for p in places]
    _bars(right, above, [m["calls"] for m in numbers], [f"{m['calls']:,.0f}" for m in numbers], CALLS, "", "launch calls", 0.36)
    _bars(right, below, [m["kernels"] for m in numbers], [_kernels(m) for m in numbers], KERNELS, "..", "kernels", 0.36)
    for axes, unit in ((left, "ms per decode step"), (right, "per decode step")):
        axes.set_yticks(list(places), [name.replace("$", r"\$") for name in middle])
        axes.set(xlabel=unit, ylim=(len(middle) - 0.4, -0.6))
        axes.set_xlim(0, axes.dataLim.x1 * (1.55 if axes is left else 1.2) or 1)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False, fontsize=9)
    return figure


def _bars(
    axes: Any, at: Sequence[float], widths: Sequence[float], words: Sequence[str], colour: str, hatch: str, name: str, high: float = 0.6
) -> None:
    drawn = axes.barh(list(at), widths, height=high, color=colour, hatch=hatch, edgecolor="black", linewidth=0.6, label=name)
    axes.bar_label(drawn, words, padding=4, fontsize=9)


def _step(middle: Mapping[str, float]) -> str:
    return f"{time_text(middle['host'])}, busy {share_text(middle['busy'], middle['host'])}"


def _kernels(middle: Mapping[str, float]) -> str:
    return "not traced" if middle["graphs"] and not middle["kernels"] else f"{middle['kernels']:,.0f}"
