"""The whole build, in figures: a forecast calibrated on this machine, a sample of it built for real, and what ninja wrote down."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from labkit.build import ninja
from labkit.build.costs import Costs, unit_costs
from labkit.build.forecast import Forecast, forecast, schedule, this_machine, units_of
from labkit.build.timeline import plot_timeline
from labkit.checks.build_steps import sample_of
from labkit.lane import LaneName

TARGETS: Mapping[LaneName, tuple[str, ...]] = {
    "cpu": ("_C", "_C_AVX512", "_C_AVX2", "spinloop", "fs_io_C"),
    "cuda": ("_C_stable_libtorch",),
}
HELPERS = {"_C": ("dnnl_ext",), "_C_AVX512": ("dnnl_ext",), "_C_AVX2": ("dnnl_ext",)}  # object libraries that a CPU target is linked with
SAMPLE_TARGET: Mapping[LaneName, str] = {"cpu": "_C", "cuda": "_C_stable_libtorch"}


def forecast_of(build: Path, targets: Sequence[str], lane: LaneName) -> Forecast:
    """Forecast CMake targets from a configured build folder; what was compiled in it before calibrates the costs.

    Raises LearnerMessage when the folder is not configured or has no such target.
    """
    needed = [*targets, *sorted({helper for target in targets if lane == "cpu" for helper in HELPERS.get(target, ())})]
    return forecast(units_of(build, needed), this_machine(build), calibrated(build, lane))


def calibrated(build: Path, lane: LaneName) -> Costs:
    """Return the lane's costs, scaled by a unit that this folder's ninja log knows: the one that took least of its cost.

    The log has wall time, which other programs make longer, and never shorter.
    """
    costs = unit_costs(lane)
    log = ninja.read_log(build) if (build / ".ninja_log").is_file() else []
    known = [(parts[1], edge.seconds) for edge in ninja.slowest(log, len(log)) if (parts := ninja.split_object(edge.output))]
    fit = [
        (seconds / costs.units[source].cpu_s, source, seconds) for source, seconds in known if costs.can_calibrate(source) and seconds >= 1
    ]
    return costs.calibrate(*min(fit)[1:]) if fit else costs


def sample_objects(lane: LaneName, token: str) -> list[str]:
    """Return two object files of the large target for this learner to build."""
    return [f"CMakeFiles/{SAMPLE_TARGET[lane]}.dir/{source}.o" for source in sample_of(token, lane)]


def expected_seconds(objects: Sequence[str], costs: Costs, jobs: int) -> float:
    """Return the forecast wall time of some object files, in seconds."""
    sources = [parts[1] for parts in map(ninja.split_object, objects) if parts]
    return schedule([costs.of(source).cpu_s for source in sources], jobs)


def measured(build: Path, objects: Sequence[str]) -> dict[str, Any]:
    """Draw what ninja wrote down about some objects, and return it as facts: (file, start, end) in seconds, and the wall time."""
    wanted = set(objects)
    edges = [edge for edge in ninja.read_log(build) if edge.output in wanted]
    plot_timeline(edges)
    named = [[PurePosixPath(edge.output).name.removesuffix(".o"), round(edge.start_s, 2), round(edge.end_s, 2)] for edge in edges]
    return {"edges": named, "wall_s": round(ninja.wall_seconds(edges), 2)}
