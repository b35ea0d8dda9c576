"""How an extract writes events: one array of small whole numbers per field, and back with every value checked."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import accumulate, repeat
from operator import add, sub
from typing import Any

from labkit.trace.bounds import MAX_EVENTS, MAX_NAME, MAX_NAMES, MAX_TIME, WORD, texts, unsigned, whole_numbers
from labkit.trace.model import Call, Op, Range, Work

KINDS = ("kernel", "memcpy", "memset", "graph")
TABLES: dict[str, Any] = {"work": Work, "calls": Call, "ranges": Range, "ops": Op}
NUMBERED = {"process", "thread"}  # numbers in `ids`
STEPS = {"start", "correlation"}  # differences to the one before
SIZES = {"size", "length"}  # never negative


class Tables:
    """The names and the long numbers of an extract, each once, in the order of their first use."""

    def __init__(self) -> None:
        self.strings: dict[str, int] = {}
        self.ids: dict[int, int] = {}
        self.bools = True  # whether the extract may hold true or false, which Python counts among the whole numbers

    @classmethod
    def checked(cls, strings: Any, ids: Any, *, bools: bool = True) -> "Tables":
        """Return the tables that an extract gives. Raises ValueError."""
        tables = cls()
        tables.bools = bools
        tables.strings = {name: number for number, name in enumerate(names_of(strings))}
        tables.ids = {value: number for number, value in enumerate(numbers_of(ids, "ids", -WORD, WORD - 1))}
        if len(tables.strings) < len(strings) or len(tables.ids) < len(ids):
            raise ValueError("it names something twice")
        return tables


def encoded(table: str, events: Sequence[Any], tables: Tables) -> dict[str, list[int]]:
    """Return the columns of a table's events; new names and numbers go into `tables`."""
    columns = (
        dict(zip(TABLES[table]._fields, zip(*events, strict=True), strict=True)) if events else dict.fromkeys(TABLES[table]._fields, ())
    )
    columns["length"] = tuple(map(sub, columns.pop("end"), columns["start"]))
    return {field: list(_encoded_column(field, values, tables)) for field, values in columns.items()}


def _encoded_column(field: str, values: Sequence[Any], tables: Tables) -> Iterable[int]:
    if field == "kind":
        return map(KINDS.index, values)
    if field == "name":
        return [tables.strings.setdefault(value, len(tables.strings)) for value in values]
    if field in NUMBERED:
        return [tables.ids.setdefault(value, len(tables.ids)) for value in values]
    if field in STEPS:
        return map(sub, values, (0, *values[:-1]))
    return values


def decoded(table: str, columns: Any, tables: Tables) -> tuple[Any, ...]:
    """Return the events of a table's columns. Raises ValueError."""
    kind = TABLES[table]
    if not isinstance(columns, dict) or columns.keys() != {"length" if field == "end" else field for field in kind._fields}:
        raise ValueError(f"its {table} have other fields than {', '.join(kind._fields)}")
    names, ids = list(tables.strings), list(tables.ids)
    listed = {"kind": KINDS, "name": names, "process": ids, "thread": ids}
    quickly = _never if tables.bools else _quickly
    found = {field: quickly(field, values, listed) or _decoded_column(field, values, listed) for field, values in columns.items()}
    if len(set(map(len, found.values()))) > 1:
        raise ValueError(f"its {table} have fields of different lengths")
    starts = found["start"]
    if starts and (not _climbs(columns["start"]) or starts[0] < -MAX_TIME or starts[-1] > MAX_TIME):
        raise ValueError(f"its {table} are not in the order of their starts, or beyond all time")
    found["end"] = list(map(add, starts, found.pop("length")))
    rows = zip(*(found[field] for field in kind._fields), strict=True)
    return tuple(map(tuple.__new__, repeat(kind), rows))  # what `kind(*row)` does, in half the time


def _climbs(steps: list[int]) -> bool:
    return unsigned(steps[1:]) or min(steps[1:], default=0) >= 0


def _never(_field: str, _values: Any, _listed: Mapping[str, Sequence[Any]]) -> None:
    """Where a bool may be among the numbers, each one's type has to be looked at."""


def _quickly(field: str, values: Any, listed: Mapping[str, Sequence[Any]]) -> Sequence[Any] | None:
    """Return what `_decoded_column` does, in a third of its time; or None where it must look closer, and say what is wrong."""
    if not isinstance(values, list) or not 0 < len(values) <= MAX_EVENTS or field == "correlation":
        return None
    if field == "start":
        return _starts(values[0], values[1:])
    if not unsigned(values):
        return None
    if field in listed:
        with suppress(IndexError):
            return list(map(listed[field].__getitem__, values))
        return None
    return values if sum(values) <= (MAX_TIME if field == "length" else WORD - 1) else None


def _starts(first: Any, steps: list[Any]) -> list[int] | None:
    if type(first) is not int or first < -MAX_TIME or not unsigned(steps):
        return None
    summed = list(accumulate(steps, initial=first))
    return summed if summed[-1] <= MAX_TIME else None


def _decoded_column(field: str, values: Any, listed: Mapping[str, Sequence[Any]]) -> Sequence[Any]:
    if field in listed:
        return [listed[field][value] for value in numbers_of(values, field, 0, len(listed[field]) - 1)]
    if field in STEPS:
        most = 2 * MAX_TIME if field == "start" else 2 * WORD
        summed = list(accumulate(numbers_of(values, field, -most, most)))
        return numbers_of(summed, field, -WORD, WORD - 1)
    return numbers_of(values, field, 0 if field in SIZES else -WORD, MAX_TIME if field == "length" else WORD - 1)


def names_of(values: Any) -> list[str]:
    """Return a list of names, checked. Raises ValueError."""
    if not isinstance(values, list) or not texts(values) or max(map(len, values), default=0) > MAX_NAME:
        raise ValueError(f"its names are not texts of at most {MAX_NAME:,} characters")
    if sum(map(len, values)) > MAX_NAMES:
        raise ValueError(f"its names are more than {MAX_NAMES:,} characters long together")
    for name in values:
        name.encode()  # half a surrogate pair raises UnicodeEncodeError, which is a ValueError
    return values


def numbers_of(values: Any, field: str, least: int, most: int) -> list[int]:
    """Return a list of whole numbers, checked. Raises ValueError."""
    if not isinstance(values, list) or not whole_numbers(values):
        raise ValueError(f"its {field} are not whole numbers")
    if values and (min(values) < least or max(values) > most):
        raise ValueError(f"its {field} are not all from {least} to {most}")
    return values
