"""Adds up events by what stands for their name, holding one line per name."""

from collections.abc import Callable, Hashable, Iterable
from typing import NamedTuple, TypeVar

from labkit.trace.bounds import Names
from labkit.trace.errors import BadTrace

MAX_KINDS = 100_000  # different names of one table
NARROW = "Record less: a narrower capture range, fewer steps."
Key = TypeVar("Key", bound=Hashable)


class Sum(NamedTuple):
    """All events of one name: how many, how long together, the shortest, the longest (nanoseconds), and the bytes they moved."""

    name: str
    times: int
    ns: int
    shortest: int
    longest: int
    size: int = 0


def add(found: dict[Key, list[int]], keys: Iterable[Key], lengths: Iterable[int], sizes: Iterable[int]) -> None:
    """Add events to the lines found so far: times, ns, shortest, longest, size. Raises BadTrace for too many different keys."""
    for key, ns, size in zip(keys, lengths, sizes, strict=True):
        line = found.get(key)
        if line is None:
            found[key] = [1, ns, ns, ns, size]
            continue
        line[0] += 1
        line[1] += ns
        if ns < line[2]:
            line[2] = ns
        elif ns > line[3]:
            line[3] = ns
        line[4] += size
    if len(found) > MAX_KINDS:
        raise BadTrace(f"The export has more than {MAX_KINDS:,} different names", "at most that many", NARROW)


def summed(lines: dict[Key, list[int]], name: Callable[[Key], str]) -> tuple[Sum, ...]:
    """Return the sums by name, the longest first; lines that turn out to have the same name are added up."""
    names, found = Names(NARROW), dict[str, list[int]]()
    for key, (times, ns, shortest, longest, size) in lines.items():
        line = found.setdefault(names(name(key)), [0, 0, shortest, longest, 0])
        line[:] = line[0] + times, line[1] + ns, min(line[2], shortest), max(line[3], longest), line[4] + size
    return tuple(sorted((Sum(key, *line) for key, line in found.items()), key=lambda item: (-item.ns, item.name)))
