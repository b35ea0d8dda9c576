"""What in a record two honest runs cannot share by chance. Pure functions over parsed JSON that a stranger may have written."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from math import isfinite
from typing import Any

MAX_NODES = 10_000  # of one record; all records of a whole course together have 3,500
MAX_FOUND = 500  # addresses and the like, of one record
MAX_DEPTH = 32
EXACT_DIGITS = 7
ROUGH_DIGITS = 4
LEAST_DIGITS = 5  # a time of 34.202 s says something, one of 0.34 s does not
LEAST_PAIR_DIGITS = 7
CLOCK_DECIMALS = 10  # a clock ticks in nanoseconds, and some samples are means of 20 calls

# Sizes of processes: whole pages, and different in each run. Other whole numbers count tokens, bytes of a model or calls.
PAGES = frozenset({"rss", "own", "whole"})
# Not looked at: what a learner answered (a share of a recorded trace, say), and what follows from the course's own tables.
# And what calls keep of each request: 30,000 values on a fast card, beside the seconds of the same calls.
NOT_LOOKED_AT = frozenset(
    {"answer", "cpu_minutes", "wall_minutes", "disk_mib", "forecast_s", "stamps", "prompts", "prompt_tokens", "output_tokens"}
)

# Fixed without address space randomisation, which gdb switches off for a program that it starts: 0x5555..., 0x7fff....
# A big process maps tens of GiB below that, so 0x7ff... as a whole is not looked at.
_ADDRESS = re.compile(r"\b0x0*(?!7ff[0-9a-f]{9}\b|5555[0-9a-f]{8}\b)([0-9a-f]{11,12})\b")
_THREAD = re.compile(r"\(LWP (\d{2,9})\)")
_DRAWN = re.compile(r"\b\d{1,4}-[0-9a-f]{8}\b")  # a request of vLLM's: its number and eight random digits


@dataclass
class Found:
    """The telling values of one record. `numbers` are grouped by the keys that lead to them; list positions do not count."""

    numbers: dict[tuple[str, ...], list[float]] = field(default_factory=dict)
    addresses: set[str] = field(default_factory=set)
    processes: set[int] = field(default_factory=set)
    drawn: set[str] = field(default_factory=set)
    looked_at: int = 0

    def take(self, value: Any, path: tuple[str, ...] = ("",), depth: int = 0) -> None:
        """Take what is telling in a value and all that is in it, as far as the bounds allow."""
        if self.looked_at > MAX_NODES or depth > MAX_DEPTH:
            return
        self.looked_at += 1
        kind = type(value)  # of what a parser made: there is no class below these
        if kind is float:
            if isfinite(value) and value:
                self.numbers.setdefault(path, []).append(value)
        elif kind is dict:
            self._of_object(value, path, depth + 1)
        elif kind is list:
            for one in value[:MAX_NODES]:
                self.take(one, path, depth + 1)
        elif kind is str:
            self._of_text(value)
        elif kind is int:
            self._of_whole(value, path)

    def _of_object(self, value: dict[str, Any], path: tuple[str, ...], depth: int) -> None:
        for key, one in islice(value.items(), MAX_NODES):
            self._of_text(key)
            if key not in NOT_LOOKED_AT:
                self.take(one, (*path, key), depth)

    def _of_text(self, text: str) -> None:
        if "0x" in text:
            self.addresses.update(islice((match[1] for match in _ADDRESS.finditer(text)), MAX_FOUND))
        if "(LWP " in text:
            self.processes.update(islice((int(match[1]) for match in _THREAD.finditer(text)), MAX_FOUND))
        if "-" in text:
            self.drawn.update(islice((match[0] for match in _DRAWN.finditer(text)), MAX_FOUND))

    def _of_whole(self, value: int, path: tuple[str, ...]) -> None:
        if path[-1] == "pid" and 0 < value < 2**32:
            self.processes.add(value)
        elif path[-1] in PAGES and 0 < value < 2**63:
            self.numbers.setdefault(path, []).append(float(value))


def found_in(facts: Any, seconds: Any) -> Found:
    """Return the telling values of a record's facts and of its seconds; of an overlong one, those of its first part."""
    found = Found()
    found.take({"seconds": seconds, "facts": facts})
    return found


def exact(value: float) -> str | None:
    """Return a number to seven digits, None when it has too few to say anything. What is below a clock's steps is noise of the
    subtraction: 3.835004463e-06 s were 3835 ns, and another run has them, too."""
    text = f"{round(value, CLOCK_DECIMALS):.{EXACT_DIGITS - 1}e}"
    return text if _digits(text) >= LEAST_DIGITS else None


def rough(groups: Iterable[list[float]]) -> Iterator[str]:
    """Yield pairs of numbers to four digits, which survive rounding: each of a group with the one half a group further, sorted.

    Groups of one number are taken together. A number alone to four digits is shared by chance, a pair is not.
    """
    alone: list[float] = []
    for group in groups:
        if len(group) > 1:
            yield from _pairs(group)
        else:
            alone += group
    yield from _pairs(alone)


def _pairs(group: list[float]) -> Iterator[str]:
    texts = [f"{value:.{ROUGH_DIGITS - 1}e}" for value in sorted(group)]
    digits = list(map(_digits, texts))
    half = len(texts) // 2
    for place in range(len(texts) - half if half else 0):
        if texts[place] != texts[place + half] and digits[place] + digits[place + half] >= LEAST_PAIR_DIGITS:
            yield f"{texts[place]} {texts[place + half]}"


def _digits(text: str) -> int:
    """Return how many significant digits a number in scientific notation has, less the zeros at its end."""
    return len(text.lstrip("-").partition("e")[0].rstrip("0")) - 1  # less the point
