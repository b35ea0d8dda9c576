"""Adds up an export of any size, holding little of it, with the meaning that the reports of `nsys stats` have.

`kernels` is cuda_gpu_kern_sum; `copies` is cuda_gpu_mem_time_sum and cuda_gpu_mem_size_sum; `calls` is cuda_api_sum, which takes "_v7000"
off a call's name; `push_pop` and `start_end` are nvtx_pushpop_sum and nvtx_startend_sum, together nvtx_sum: their names are
"domain:text", and a range that was never closed counts up to the last event of NVTX. Medians and deviations are left out.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import sub
from pathlib import Path
from typing import Any

from labkit.trace.bounds import MAX_NAME, Names, Progress, check_spans, ignore, texts, whole_numbers
from labkit.trace.errors import BadTrace
from labkit.trace.nsys_tables import (
    NVTX,
    PROCESS,
    PUSH_POP,
    RUNTIME,
    SOURCES,
    START_END,
    TABLES,
    column,
    copy_names,
    extent,
    need,
    strings,
)
from labkit.trace.sqlite_safe import AGAIN, Export
from labkit.trace.sums import NARROW, Sum, add, summed

DOMAIN = 75
VERSION = re.compile(r"_v.{4}\Z", re.DOTALL)  # what nsys takes off a call's name
EMPTY = "''"
Lines = dict[int, list[int]]
RangeKey = tuple[int, int, int, int, str]  # event type, domain, process, number of the text, text
Columns = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Totals:
    """What a whole export adds up to, each list with the longest first."""

    kernels: tuple[Sum, ...]
    copies: tuple[Sum, ...]  # and memsets
    graphs: tuple[Sum, ...]
    calls: tuple[Sum, ...]
    push_pop: tuple[Sum, ...]
    start_end: tuple[Sum, ...]


def totals(path: Path, progress: Progress = ignore, *, seconds: float = 300.0) -> Totals:
    """Return the sums over a whole export of any size. Raises BadTrace."""
    with Export(path, TABLES, seconds) as export:
        adder = _Adder(export, progress)
        kernels, copies, memsets, graphs = (adder.table(source.table, source.name, source.size) for source in SOURCES)
        calls = adder.table(RUNTIME, ("nameId",))
        push_pop, start_end = adder.ranges()
        name, direction = strings(export, kernels.keys() | calls.keys()), copy_names(export)
        moved = summed(copies, lambda key: direction.get(key, f"kind {key}")) + summed(memsets, lambda _: "memset")
        return Totals(
            summed(kernels, name.__getitem__),
            tuple(sorted(moved, key=lambda item: -item.ns)),
            summed(graphs, lambda key: f"CUDA graph {key}"),
            summed(calls, lambda key: VERSION.sub("", name[key])),
            push_pop,
            start_end,
        )


class _Adder:
    """Adds up the tables of one export."""

    def __init__(self, export: Export, progress: Progress) -> None:
        self.export, self.progress, self.done = export, progress, 0
        self.total, _ = extent(export)

    def table(self, table: str, name: tuple[str, ...], size: str = "0") -> Lines:
        """Add up a table by the number of its events' name."""
        found: Lines = {}
        if table in self.export.columns:
            for starts, ends, keys, sizes in self.chunks(table, [column(self.export, table, *name), column(self.export, table, size)]):
                if not whole_numbers(keys) or not whole_numbers(sizes) or min(sizes) < 0:
                    raise self.wrong(table)
                add(found, keys, map(sub, ends, starts), sizes)
        return found

    def ranges(self) -> tuple[tuple[Sum, ...], tuple[Sum, ...]]:
        """Add up push/pop ranges and start/end ranges."""
        found: dict[RangeKey, list[int]] = {}
        names = Names(NARROW)
        if NVTX not in self.export.columns:
            return (), ()
        need(self.export, NVTX, "eventType")
        ((first, last),) = self.export.all(NVTX, ['max("start")', 'max("end")'])
        final = max((end for end in (first, last) if type(end) is int), default=0)
        pick = [column(self.export, NVTX, name) for name in ("eventType", "domainId", "globalTid", "textId")]
        text = f"substr({column(self.export, NVTX, 'text', otherwise=EMPTY)}, 1, {MAX_NAME})"
        for *columns, own in self.chunks(NVTX, [*pick, text], f'WHERE "eventType" IN {(DOMAIN, *PUSH_POP, *START_END)}', final):
            starts, ends, *numbers = columns
            if not texts(own) or not all(map(whole_numbers, numbers)):
                raise self.wrong(NVTX)
            kinds, domains, threads, texts_ = numbers
            processes = [thread & PROCESS for thread in threads]
            add(found, zip(kinds, domains, processes, texts_, map(names, own), strict=True), map(sub, ends, starts), repeat(0, len(own)))
        return self._named(found)

    def _named(self, found: dict[RangeKey, list[int]]) -> tuple[tuple[Sum, ...], tuple[Sum, ...]]:
        name = strings(self.export, {number for _, _, _, number, _ in found if number})
        domains: dict[tuple[int, int], str] = {}
        for kind, domain, process, number, own in found:
            if kind == DOMAIN:
                domains.setdefault((domain, process), name.get(number, own))

        def full(key: RangeKey) -> str:
            return f"{domains.get((key[1], key[2]), '')}:{name.get(key[3], key[4])}"

        first, second = ({key: line for key, line in found.items() if key[0] in kinds} for kinds in (PUSH_POP, START_END))
        return summed(first, full), summed(second, full)

    def chunks(self, table: str, columns: Sequence[str], where: str = "", final: int | None = None) -> Iterator[Columns]:
        """Yield a table's starts, ends and other columns, some rows at a time; `final` is the end of what has none."""
        need(self.export, table, "start", "end")
        end = '"end"' if final is None else f'coalesce("end", {final:d})'
        for chunk in self.export.select(table, ['"start"', end, *columns], where):
            found = list(zip(*chunk, strict=True))
            check_spans(found[0], found[1], f"In {self.export.name}, {table}", AGAIN)
            yield found
            self.done += len(chunk)
            self.progress(min(self.done, self.total), self.total)

    def wrong(self, table: str) -> BadTrace:
        """Return the error for values of a type that nsys does not write."""
        return BadTrace(f"In {self.export.name}, {table} has values of the wrong type", "an export as nsys writes it", AGAIN)
