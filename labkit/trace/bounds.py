"""The limits that all readers of traces share, and the checks of whole columns against them."""

import struct
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any, TypeVar

from labkit.trace.errors import BadTrace

MAX_EVENTS = 400_000
MAX_NAME = 16_384  # characters: CUTLASS kernels have names of several thousand
MAX_NAMES = 16_000_000  # characters of all different names of a trace together
MAX_TIME = 2**62
WORD = 2**63  # SQLite's integers, and ours, fit in 64 bits with a sign
UNNAMED = "(unnamed)"
Progress = Callable[[int, int], object]
Event = TypeVar("Event", bound=tuple[Any, ...])


def ignore(_done: int, _total: int) -> None:
    """Where a caller wants no progress."""


def whole_numbers(values: Iterable[object]) -> bool:
    """Say whether all are integers; a bool, a float and None are not."""
    return set(map(type, values)) <= {int}


def unsigned(values: Sequence[object]) -> bool:
    """Say whether all are whole numbers from 0 to 2**64 - 1, in a quarter of the time of `whole_numbers` and `min`. A bool passes."""
    try:
        struct.Struct(f"{len(values)}Q").pack(*values)
    except struct.error:
        return False
    return True


def texts(values: Iterable[object]) -> bool:
    """Say whether all are strings."""
    return set(map(type, values)) <= {str}


def check_spans(starts: Sequence[int], ends: Sequence[int], what: str, next_step: str) -> None:
    """Raise BadTrace unless every event has whole-number times and ends no earlier than it starts."""
    if not (whole_numbers(starts) and whole_numbers(ends)):
        raise BadTrace(f"{what} has times that are not whole numbers", "nanoseconds", next_step)
    if starts and (min(starts) < -MAX_TIME or max(ends) > MAX_TIME):
        raise BadTrace(f"{what} has times of more than 146 years", "nanoseconds", next_step)
    if not all(map(int.__le__, starts, ends)):
        raise BadTrace(f"{what} has an event that ends before it starts", "an end at or after the start", next_step)


def clipped(name: str) -> str:
    """Return the name cut to MAX_NAME characters, with what is not Unicode replaced."""
    name = name[:MAX_NAME]
    return name if name.isascii() else name.encode(errors="replace").decode()


class Names:
    """Gives every name once, so that equal names share their memory, and refuses more names than a trace can honestly have."""

    def __init__(self, next_step: str) -> None:
        self.known: dict[str, str] = {}
        self.size, self.next_step = 0, next_step

    def __call__(self, raw: str) -> str:
        """Return the clipped name."""
        found = self.known.get(raw)
        if found is None:
            found = self.known[raw] = clipped(raw)
            self.size += len(raw)
            if self.size > MAX_NAMES:
                raise BadTrace(f"The names are {self.size:,} characters long together", f"at most {MAX_NAMES:,}", self.next_step)
        return found


def by_start(events: Iterable[Event], field: int) -> tuple[Event, ...]:
    """Return the events sorted by the field that holds their start; those that start together keep their order."""
    return tuple(sorted(events, key=itemgetter(field)))


def outer_first(events: Iterable[Event]) -> tuple[Event, ...]:
    """Return ranges or operators (name, start, end, ...) sorted by start; of those that start together the longest comes first."""
    return tuple(sorted(events, key=lambda event: (event[1], -event[2])))
