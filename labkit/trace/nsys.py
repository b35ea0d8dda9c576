"""Reads what `nsys export --type sqlite` wrote.

Times count from the earliest event of the whole export, whatever the window. A range that was never closed (the capture ended inside it)
is left out: its end would be invented. Calls that only ask (cudaGetDevice, ...) are kept; labkit.trace.extract.cut drops them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labkit.trace.bounds import (
    MAX_EVENTS,
    MAX_NAME,
    WORD,
    Names,
    Progress,
    by_start,
    check_spans,
    ignore,
    outer_first,
    texts,
    whole_numbers,
)
from labkit.trace.errors import BadTrace
from labkit.trace.model import Call, Range, Trace, Work
from labkit.trace.nsys_tables import (
    ENDED_RANGES,
    NARROW,
    NVTX,
    PROCESS,
    RUNTIME,
    SOURCES,
    TABLES,
    Source,
    column,
    copy_names,
    device,
    extent,
    need,
    strings,
    tool,
)
from labkit.trace.nsys_totals import Totals, totals
from labkit.trace.sqlite_safe import AGAIN, Export

__all__ = ["Totals", "read", "totals"]

EMPTY = "''"
Rows = list[tuple[Any, ...]]


def read(
    path: Path,
    *,
    window: tuple[int, int] | None = None,
    progress: Progress = ignore,
    limit: int = MAX_EVENTS,
    seconds: float = 60.0,
) -> Trace:
    """Return the trace: all of it, or what has a share in a window (nanoseconds since the trace's zero). Raises BadTrace."""
    with Export(path, TABLES, seconds) as export:
        return _Reader(export, window, progress, limit).trace()


class _Reader:
    """One reading of one export."""

    def __init__(self, export: Export, window: tuple[int, int] | None, progress: Progress, limit: int) -> None:
        self.export, self.progress, self.limit = export, progress, limit
        self.names, self.kept, self.done = Names(NARROW), 0, 0
        self.total, self.zero = extent(export)
        self.window = window and tuple(max(-WORD, min(edge + self.zero, WORD - 1)) for edge in window)

    def trace(self) -> Trace:
        """Read everything."""
        work = by_start([item for source in SOURCES for item in self.work(source)], 2)
        calls = by_start(self.calls(), 1)
        ranges = outer_first(self.ranges())
        self.progress(self.total, self.total)
        return Trace(tool(self.export), device(self.export), work, calls, ranges)

    def work(self, source: Source) -> list[Work]:
        """Read one kind of device work."""
        if source.table not in self.export.columns:
            return []
        pick = [column(self.export, source.table, name) for name in ("streamId", "globalPid", "correlationId", source.size, "graphNodeId")]
        rows = self.rows(source.table, [column(self.export, source.table, *source.name), *pick])
        name = self._work_names(source, {row[2] for row in rows})
        zero, kind = self.zero, source.kind
        if any(row[6] < 0 for row in rows):
            raise BadTrace(f"In {self.export.name}, {source.table} has a negative size", "bytes", AGAIN)
        return [Work(kind, name[n], s - zero, e - zero, stream, pid, c, size, node) for s, e, n, stream, pid, c, size, node in rows]

    def _work_names(self, source: Source, numbers: set[int]) -> dict[int, str]:
        if source.kind == "kernel":
            return strings(self.export, numbers)
        if source.kind == "memcpy":
            known = copy_names(self.export)
            return {number: self.names(known.get(number, f"kind {number}")) for number in numbers}
        return {number: self.names(f"CUDA graph {number}" if source.kind == "graph" else "memset") for number in numbers}

    def calls(self) -> list[Call]:
        """Read the host's calls into the runtime and the driver."""
        if RUNTIME not in self.export.columns:
            return []
        rows = self.rows(RUNTIME, [column(self.export, RUNTIME, name) for name in ("nameId", "globalTid", "correlationId")])
        name = strings(self.export, {row[2] for row in rows})
        zero = self.zero
        return [Call(name[n], s - zero, e - zero, thread, thread & PROCESS, c) for s, e, n, thread, c in rows]

    def ranges(self) -> list[Range]:
        """Read the ranges that have an end."""
        if NVTX not in self.export.columns:
            return []
        there = {name: column(self.export, NVTX, name) for name in ("globalTid", "textId")}
        text = f"substr({column(self.export, NVTX, 'text', otherwise=EMPTY)}, 1, {MAX_NAME})"
        rows = self.rows(NVTX, [there["globalTid"], there["textId"], text], ENDED_RANGES)
        name = strings(self.export, {row[3] for row in rows if not row[4]})
        zero = self.zero
        return [Range(self.names(own or name[number]), s - zero, e - zero, thread, thread & PROCESS) for s, e, thread, number, own in rows]

    def rows(self, table: str, columns: list[str], wanted: str = "") -> Rows:
        """Return start, end and these columns of a table's events, checked: numbers, and at the end a text where `wanted` is given."""
        found: Rows = []
        for chunk in self._chunks(table, columns, wanted):
            starts, ends, *others = zip(*chunk, strict=True)
            check_spans(starts, ends, f"In {self.export.name}, {table}", AGAIN)
            if (wanted and not texts(others.pop())) or not all(map(whole_numbers, others)):
                raise BadTrace(f"In {self.export.name}, {table} has values of the wrong type", "an export as nsys writes it", AGAIN)
            found += chunk
            self.kept += len(chunk)
            if self.kept > self.limit:
                raise BadTrace(f"{self.export.name} has more than {self.limit:,} events", "at most that many", NARROW)
            self.done += len(chunk)
            self.progress(min(self.done, self.total), self.total)
        return found

    def _chunks(self, table: str, columns: list[str], wanted: str) -> Iterator[Rows]:
        need(self.export, table, "start", "end")
        conditions = [wanted] if wanted else []
        if self.window:
            conditions.append('"end" >= ? AND "start" <= ?')
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        yield from self.export.select(table, ['"start"', '"end"', *columns], where, self.window or ())
