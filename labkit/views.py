"""Plots and tables of the lessons. Every plot comes with alternative text and a table of its data."""

from collections.abc import Mapping, Sequence
from typing import Any

from labkit import plots, show
from labkit.callpath import follow, map_of
from labkit.checks.inference import NO_DICTIONARIES
from labkit.lane import LaneName
from labkit.plots import show_figure

DIGITS = 3  # significant digits of a duration in a table


def plot_phases(phases: Mapping[str, float]) -> None:
    """Show seconds per phase as points on a logarithmic axis, with a table. Points, because a bar's length means nothing there."""
    names, seconds, total = list(phases), list(phases.values()), sum(phases.values())
    figure = plots.figure(8, 0.5 * len(names) + 1.0)
    axes = figure.subplots()
    axes.plot(seconds, names, linestyle="none", marker="D", markersize=8, color=plots.BLUE)
    for name, value in phases.items():
        axes.annotate(duration(value), (value, name), xytext=(9, 0), textcoords="offset points", va="center")
    axes.set(xscale="log", xlabel="time (logarithmic axis)", xlim=(min(seconds) / 3, max(seconds) * 6), ylim=(len(names) - 0.5, -0.5))
    axes.xaxis.set_major_formatter(lambda value, _: duration(value))
    axes.grid(axis="x", alpha=0.4)
    rows = [(name, duration(s), f"{s / total:.1%}") for name, s in phases.items()]
    longest = max(phases, key=lambda name: phases[name])
    share = f"{phases[longest] / total:.0%} of the whole"
    show_figure(
        figure, f"Time of {len(names)} phases on a logarithmic axis. The longest is {longest} with {duration(phases[longest])}, {share}."
    )
    show.table("Seconds per phase", ("phase", "time", "share"), rows)


def show_processes(maps: Mapping[str, Mapping[str, Any]]) -> None:
    """Show one process tree per mode as a table; the tree is drawn by indentation and by naming the parent."""
    for mode, found in maps.items():
        title = f"multiprocessing {mode}: client {found['client']}, scheduler_is_here = {found['scheduler_is_here']}"
        processes = list(found["processes"])
        numbers = {p["pid"]: f"P{i}" for i, p in enumerate(processes)}
        rows = [
            (numbers[p["pid"]], numbers.get(p["parent"], "–"), p["name"], f"{p['rss_mib']:,} MiB", str(p["threads"]))
            for p in processes
        ]  # fmt: skip
        show.table(title, ("process", "started by", "name", "resident memory", "threads"), rows)


def show_steps(spied: Mapping[str, Any]) -> None:
    """Show tokens scheduled per request, one row per engine step."""
    steps: Sequence[Mapping[str, int]] = spied["steps"]
    if not steps:
        show.text("The spy noted no steps: fill the gap in spy.py, then run both cells again.")
        return
    if not all(isinstance(step, dict) for step in steps):
        show.text(NO_DICTIONARIES)
        return
    requests = list(steps[0])
    rows = [(str(i), *(str(step.get(r, "–")) for r in requests), str(sum(step.values()))) for i, step in enumerate(steps)]
    title = f"Tokens scheduled per step (prompts of {' and '.join(map(str, spied['prompt_tokens']))} tokens)"
    show.table(title, ("step", *(f"request {r.split('-')[0]}" for r in requests), "together"), rows)


def show_call_path(spied: Mapping[str, Any], lane: LaneName) -> None:
    """Show the engine's map, and where the recorded stack was at each stop."""
    found = follow(map_of(lane), spied["frames"])
    rows = [(stop.symbol, stop.what, f"{stop.path}:{line}" if line else f"not seen: {stop.path}") for stop, line in found]
    seen = sum(line is not None for _, line in found)
    title = f"From LLM.generate to {spied['op']}: {seen} of {len(found)} stops of the map seen, {len(spied['frames'])} vLLM frames in all"
    show.table(title, ("function", "what happens there", "where it was"), rows)


def duration(seconds: float) -> str:
    """Seconds as text with three significant digits, in the unit that reads best."""
    return f"{seconds:.{DIGITS}g} s" if seconds >= 1 else f"{seconds * 1000:.{DIGITS}g} ms"
