"""What repeated measurements say: their middle, and how far they spread. Standard library only; the grader uses it, too."""

from collections.abc import Sequence
from math import ceil
from statistics import median
from typing import NamedTuple


class Spread(NamedTuple):
    """The middle of some measurements and how far the middle half of them reaches, all in the measurements' unit."""

    median: float
    low: float  # the 25th percentile
    high: float  # the 75th
    size: int  # how many samples

    @property
    def relative(self) -> float:
        """The middle half's width over the median: 0.05 means that half of the measurements lie within about 5 %."""
        return (self.high - self.low) / self.median if self.median else 0.0


def spread(samples: Sequence[float]) -> Spread:
    """Return the spread of at least one sample. Raises ValueError for none."""
    if not samples:
        raise ValueError("no samples")
    return Spread(median(samples), percentile(samples, 25), percentile(samples, 75), len(samples))


def percentile(samples: Sequence[float], share: float) -> float:
    """Return the smallest sample that `share` percent of the samples do not exceed (nearest rank, as in most latency reports)."""
    if not samples:
        raise ValueError("no samples")
    ordered = sorted(samples)
    return ordered[max(0, ceil(share / 100 * len(ordered)) - 1)]
