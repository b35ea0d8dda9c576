"""Numbers in another unit than the one asked for. They are told by their size, so a right number stays the learner's to find."""

from collections.abc import Mapping

from labkit.checks.reading import is_number

NEAR = 3.0  # times larger or smaller: no two units below are as close
UNITS: Mapping[str, Mapping[str, float]] = {  # asked for: how many times as large the number is in another unit
    "milliseconds": {"seconds": 1e-3, "microseconds": 1e3, "nanoseconds": 1e6},
    "microseconds": {"seconds": 1e-6, "milliseconds": 1e-3, "nanoseconds": 1e3},
    "GiB": {"MiB": 2**10, "bytes": 2**30},
    "percent": {"a fraction": 1e-2},
}
LEAST_PERCENT = 1.0  # below it a fraction is near enough for a check that allows for rounding


def other_unit(value: object, true: object, asked: str) -> str:
    """Return the next step for a number that is in another unit than `asked`, "" for any other; `true` only gives the order of magnitude."""
    least = LEAST_PERCENT if asked == "percent" else 0.0
    if not (is_number(value) and is_number(true) and float(str(true)) > least):
        return ""
    ratio = float(str(value)) / float(str(true))
    unit = next((unit for unit, factor in UNITS[asked].items() if factor / NEAR < ratio < factor * NEAR), "")
    return f"That looks like {unit}. How many {asked} is it?" if unit else ""
