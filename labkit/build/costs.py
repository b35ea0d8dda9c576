"""What compiling each of vLLM's units costs, measured on a named reference machine: unit_costs.json."""

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from labkit.build.ninja import split_object
from labkit.lane import LaneName
from labkit.messages import LearnerMessage

TABLE = Path(__file__).with_name("unit_costs.json")
KINDS = {  # the first that fits
    "Marlin": re.compile(r"marlin.*\.cu$"),
    "CUTLASS or Machete": re.compile(r"(?:cutlass|machete|flashmla|/sm90|/sm100).*\.cu$"),
    "CUDA": re.compile(r"\.cu$"),
}
SHORTEST = 5.0  # seconds: less is start-up and noise
_SHOWN = 6  # names in a message


@dataclass(frozen=True)
class Cost:
    """What compiling one unit takes: CPU seconds of one core and the largest resident memory in MiB."""

    cpu_s: float
    rss_mib: float


@dataclass(frozen=True)
class Extra:
    """Units that targets need and vLLM's tree does not have, with their CPU seconds together, and where that number is from.

    They do not count in a build that has units below the path `unless`: then these are the same ones, generated.
    """

    name: str
    targets: tuple[str, ...]
    units: int
    cpu_s: float
    object_mib: float
    basis: str
    unless: str = ""

    def missing_in(self, units: Iterable[tuple[str, str]]) -> bool:
        """Whether one of these units, (target, source), needs them, and none is one of them."""
        known = list(units)
        needed = any(target in self.targets for target, _ in known)
        return needed and not (self.unless and any(source.startswith(self.unless) for _, source in known))


@dataclass(frozen=True)
class Costs:
    """Measured costs of a lane's units by source path; `scale` is how much slower this machine is than the reference machine."""

    units: Mapping[str, Cost]
    extras: tuple[Extra, ...]
    object_mib: Mapping[str, float]  # mean size of an object file, by kind
    where: str
    scale: float = 1.0
    calibration: str = (
        "These are the reference machine's seconds: nothing was compiled in this folder yet that would tell how fast yours is."
    )

    def can_calibrate(self, source: str) -> bool:
        """Whether a unit's cost was measured, and is long enough to compare with."""
        return source in self.units and self.units[source].cpu_s >= SHORTEST

    def calibrate(self, source: str, seconds: float) -> "Costs":
        """Return costs scaled to this machine by one unit that took `seconds` to compile here, with the same flags.

        Raises LearnerMessage for a unit whose measured cost is missing or too small, and for a time that is no positive number.
        """
        there = self.units.get(source)
        if there is None or not self.can_calibrate(source):
            fit = filter(self.can_calibrate, self.units)
            raise LearnerMessage(f"{source} has no measured cost of some seconds to compare with.", f"Take another unit: {some(fit)}.")
        if not (math.isfinite(seconds) and seconds > 0):
            raise LearnerMessage(f"{seconds} is no compile time.", f"Give the seconds that {source} took here.")
        scale = seconds / there.cpu_s
        said = (
            f"Calibrated: {source} took {seconds:.1f} s here and {there.cpu_s:.1f} s there, so all times are multiplied by {scale:.2f}. "
            "That is too much if something else was running here then."
        )
        return replace(self, scale=scale, calibration=said)

    def of(self, source: str) -> Cost:
        """Return a unit's cost on this machine: the measured one, else its kind's median time and, to be safe, its kind's largest memory.

        Raises LearnerMessage when no unit of its kind was measured.
        """
        found = self.units.get(source) or self._typical(kind(source), source)
        return replace(found, cpu_s=found.cpu_s * self.scale)

    def _typical(self, wanted: str, source: str) -> Cost:
        alike = [cost for measured, cost in self.units.items() if kind(measured) == wanted]
        if not alike:
            raise LearnerMessage(f"No unit like {source} ({wanted}) was measured for this lane.", "Take the costs of the other lane.")
        return Cost(median(cost.cpu_s for cost in alike), max(cost.rss_mib for cost in alike))


def kind(source: str) -> str:
    """Return the kind of a unit by its path: a key of KINDS, or "C++". Units of one kind cost alike, more or less."""
    return next((name for name, path in KINDS.items() if path.search(source)), "C++")


def some(names: Iterable[str]) -> str:
    """Return the first few names in alphabetical order, for a message."""
    ordered = sorted(names)
    return ", ".join(ordered[:_SHOWN]) + (f" and {len(ordered) - _SHOWN} more" if len(ordered) > _SHOWN else "")


def unit_costs(lane: LaneName) -> Costs:
    """Return the measured costs of a lane's units."""
    table: Any = json.loads(TABLE.read_text())[lane]
    extras = tuple(Extra(**{**extra, "targets": tuple(extra["targets"])}) for extra in table["extras"])
    return Costs({source: Cost(**cost) for source, cost in table["units"].items()}, extras, table["object_mib"], table["about"]["where"])


def refresh(lane: LaneName, measured: Path) -> None:
    """Put measured units into unit_costs.json: a maintainer's tool. Failed compilations are left out.

    A line of `measured` is {"out": object file, "rc": exit code, "cpu": CPU seconds, "rss_mib": MiB}, as a compiler launcher writes it.
    """
    table: Any = json.loads(TABLE.read_text())
    for entry in map(json.loads, measured.read_text().splitlines()):
        parts = split_object(entry["out"])
        if parts and entry["rc"] == 0:
            table[lane]["units"][parts[1]] = {"cpu_s": round(entry["cpu"], 1), "rss_mib": entry["rss_mib"]}
    text = json.dumps(table, indent=1, sort_keys=True, ensure_ascii=False)
    one_line = re.sub(r'\{\s+("cpu_s"[^{}]*)\}', lambda unit: "{" + " ".join(unit[1].split()) + "}", text)  # for each unit
    TABLE.write_text(one_line + "\n")
