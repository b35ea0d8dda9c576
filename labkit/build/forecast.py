"""Forecast a build of vLLM before it starts: units, CPU minutes, memory of one job, jobs, wall time, disk, and what that rests on."""

import heapq
import json
import math
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from labkit import show
from labkit.build.costs import Costs, Extra, kind, some
from labkit.build.ninja import split_object
from labkit.messages import LearnerMessage

CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Unit:
    """One translation unit of a CMake target; `source` is relative to the source tree."""

    target: str
    source: str


@dataclass(frozen=True)
class Machine:
    """What a build may use: cores, free memory and free disk in MiB."""

    cores: int
    memory_mib: float
    disk_mib: float


@dataclass(frozen=True)
class Forecast:
    """What a build will take, from outside vLLM's tree included.

    `estimated` units have no measured cost of their own. `peak_mib` is the memory of the largest job. `jobs` run at once; `max_jobs` is
    what MAX_JOBS has to be for that. `basis` is sentences that a learner reads.
    """

    units: int
    estimated: int
    cpu_minutes: float
    peak_mib: float
    jobs: int
    max_jobs: int
    wall_minutes: float
    disk_mib: float
    basis: tuple[str, ...]


def units_of(build: Path, targets: Sequence[str]) -> list[Unit]:
    """Return the translation units of CMake targets, from a build folder's compile_commands.json.

    Raises LearnerMessage when the folder was not configured so that it has one, or has no such target.
    """
    known = [Unit(*parts) for parts in map(split_object, _outputs(build)) if parts]
    names = {unit.target for unit in known}
    for target in targets:
        if target not in names:
            raise LearnerMessage(f"{build.name} has no target {target!r} with sources.", f"It has {some(names) or 'none'}.")
    return [unit for unit in dict.fromkeys(known) if unit.target in targets]


def _outputs(build: Path) -> list[str]:
    try:
        entries: Any = json.loads((build / "compile_commands.json").read_text())
        return [str(entry["output"]) for entry in entries if "output" in entry]
    except (OSError, ValueError, TypeError) as error:
        raise LearnerMessage(
            f"{build} has no readable compile_commands.json ({type(error).__name__}).",
            "Configure first, with Ninja and -DCMAKE_EXPORT_COMPILE_COMMANDS=ON.",
        ) from None


def this_machine(folder: Path) -> Machine:
    """Return this machine's cores, its free memory (a container's limit counts) and the free disk at `folder`."""
    free = min(psutil.virtual_memory().available, _container_room())
    return Machine(len(os.sched_getaffinity(0)), free / 2**20, shutil.disk_usage(folder).free / 2**20)


def _container_room() -> float:
    """Bytes that this control group (version 2) may still take, infinite where nothing limits it. Cached files can be dropped."""
    try:
        limit, used = (int((CGROUP / name).read_text()) for name in ("memory.max", "memory.current"))
        cached = re.search(r"^inactive_file (\d+)$", (CGROUP / "memory.stat").read_text(), re.MULTILINE)
    except (OSError, ValueError):  # not there, or "max"
        return math.inf
    return max(0, limit - used + (int(cached[1]) if cached else 0))


def forecast(units: Sequence[Unit], machine: Machine, costs: Costs, nvcc_threads: int = 1) -> Forecast:
    """Forecast a build of these units. One job needs `nvcc_threads` cores, as vLLM reckons it.

    Raises LearnerMessage when there are no units, or some of a kind that the costs do not have.
    """
    if not units or nvcc_threads < 1:
        raise LearnerMessage("There is nothing to forecast.", "Name targets that have sources, and at least one thread for nvcc.")
    each = [costs.of(unit.source) for unit in units]
    extras = [extra for extra in costs.extras if extra.missing_in((unit.target, unit.source) for unit in units)]
    seconds = [cost.cpu_s for cost in each] + [e.cpu_s / e.units * costs.scale for e in extras for _ in range(e.units)]
    peak = max(cost.rss_mib for cost in each)
    jobs = max(1, min(machine.cores // nvcc_threads, int(machine.memory_mib // peak)))
    disk = 2 * sum(costs.object_mib[kind(unit.source)] for unit in units) + sum(extra.object_mib for extra in extras)
    guessed = [unit for unit in units if unit.source not in costs.units]
    return Forecast(
        units=len(seconds), estimated=len(guessed), cpu_minutes=sum(seconds) / 60, peak_mib=peak, jobs=jobs, max_jobs=jobs * nvcc_threads,
        wall_minutes=schedule(seconds, jobs) / 60, disk_mib=disk,
        basis=(
            *_measured(units, guessed, costs, extras), _jobs(machine, peak, jobs, nvcc_threads), _wall(seconds, jobs), _disk(machine, disk),
        ),
    )  # fmt: skip


def schedule(seconds: Iterable[float], workers: int) -> float:
    """Return the wall time of jobs on some workers when the longest job starts first."""
    ends = [0.0] * workers
    for job in sorted(seconds, reverse=True):
        heapq.heapreplace(ends, ends[0] + job)
    return max(ends)


def _measured(units: Sequence[Unit], guessed: Sequence[Unit], costs: Costs, extras: Iterable[Extra]) -> list[str]:
    said = [f"{len(units) - len(guessed)} of {len(units)} units of vLLM were measured: {costs.where}."]
    if guessed:
        kinds = Counter(kind(unit.source) for unit in guessed)
        each_kind = "; ".join(f"{count} of kind {name} ({costs.of(_one(guessed, name)).cpu_s:.0f} s)" for name, count in kinds.items())
        named = some({unit.source for unit in guessed})
        said.append(f"{len(guessed)} were not ({named}) and got the median time and the largest memory of their kind: {each_kind}.")
    return [*said, costs.calibration, *(f"{e.name}: {e.units} units that vLLM's tree does not have. {e.basis}" for e in extras)]


def _one(units: Iterable[Unit], name: str) -> str:
    return next(unit.source for unit in units if kind(unit.source) == name)


def _jobs(machine: Machine, peak: float, jobs: int, threads: int) -> str:
    room = f"{machine.memory_mib:,.0f} MiB are free and the largest unit takes {peak:,.0f} MiB"
    if machine.memory_mib < peak:
        return f"One job, and it may run out of memory: {room}."
    cores = f"{machine.cores} cores" + (f" for {threads} nvcc threads per job" if threads > 1 else "")
    limit = "cores" if jobs == machine.cores // threads else "memory"
    return f"The {limit} decide{'s' * (limit == 'memory')} on {jobs} job(s) at once: {cores}; {room}."


def _wall(seconds: Sequence[float], jobs: int) -> str:
    longest = max(seconds)
    return (
        f"The wall time is that of {jobs} busy core(s), the longest unit first. Ninja starts units in another order, so up to {longest:.0f} s "
        "(the longest unit) may come on top; linking takes seconds and is left out."
    )


def _disk(machine: Machine, disk: float) -> str:
    short = "" if machine.disk_mib > disk else f" Only {machine.disk_mib:,.0f} MiB are free: free some first."
    return f"The disk holds object files of the mean size of their kind, and as much again in linked libraries.{short}"


def show_forecast(found: Forecast) -> None:
    """Show a forecast as a table: one line per figure, then what it rests on."""
    rows = [
        ("translation units", f"{found.units} ({found.estimated} of vLLM's without a measured cost)"),
        ("CPU time", _minutes(found.cpu_minutes)),
        ("memory of the largest job", f"{found.peak_mib:,.0f} MiB"),
        ("jobs at once", f"{found.jobs} (MAX_JOBS={found.max_jobs})"),
        ("wall time", _minutes(found.wall_minutes)),
        ("disk", f"{found.disk_mib:,.0f} MiB"),
        *(("because", sentence) for sentence in found.basis),
    ]
    show.table(f"Forecast: about {_minutes(found.wall_minutes)} with {found.jobs} job(s)", ("figure", "value"), rows)


def _minutes(minutes: float) -> str:
    return f"{minutes / 60:.1f} h" if minutes >= 120 else f"{minutes:.0f} min" if minutes >= 10 else f"{minutes:.1f} min"
