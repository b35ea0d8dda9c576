"""The times in a profile that a record names: of what its checks read of it, not of what stands around that."""

import zlib
from collections.abc import Iterator
from itertools import chain, pairwise
from typing import Any

from labkit.checks.profile_traces import parsed
from labkit.trace.errors import BadTrace
from labkit.trace.model import Trace

TABLES = ("work", "calls", "ranges")  # a cuda lane's kernels are in the first, a cpu lane's layers in the last
MAX_EVENTS = 2_000  # of each of them
NANOSECONDS = range(100_000, 10**9)  # 0.1 ms to 1 s; shorter ones are too alike


def paths_in(record: dict[str, Any]) -> Iterator[str]:
    """Yield the paths of the packed files that a record names."""
    files = record.get("files")
    for one in files[:64] if isinstance(files, list) else []:
        path = one.get("path") if isinstance(one, dict) else None
        if isinstance(path, str) and path.endswith(".gz") and len(path) <= 200:
            yield path


def size_of(packed: bytes, most: int) -> int:
    """Return how long a profile is unpacked, at most `most`."""
    try:
        return len(zlib.decompressobj(wbits=31).decompress(packed, most))
    except zlib.error:
        return 0


def times_in(packed: bytes) -> list[float]:
    """Return durations and distances in time, in nanoseconds; none of a profile that no check takes."""
    try:
        return list(_times(parsed(packed)))
    except BadTrace:
        return []


def _times(profile: Trace) -> Iterator[float]:
    for events in (getattr(profile, table)[:MAX_EVENTS] for table in TABLES):
        steps = (after.start - before.start for before, after in pairwise(events))
        yield from (float(time) for time in chain(steps, (one.end - one.start for one in events)) if time in NANOSECONDS)
