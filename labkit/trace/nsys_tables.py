"""Which tables and columns of an `nsys export --type sqlite` hold what. nsys makes both lazily, so any may be missing.

Written for the export schemas of nsys 2024 to 2026 (3.11 to 3.28).
"""

from typing import NamedTuple

from labkit.trace.bounds import MAX_NAME, UNNAMED, WORD, Names, whole_numbers
from labkit.trace.errors import BadTrace
from labkit.trace.model import Device, WorkKind
from labkit.trace.sqlite_safe import AGAIN, Export

STRINGS, NVTX, COPY_KINDS = "StringIds", "NVTX_EVENTS", "ENUM_CUDA_MEMCPY_OPER"
GPU, CUDA_DEVICE, META = "TARGET_INFO_GPU", "TARGET_INFO_CUDA_DEVICE", "META_DATA_EXPORT"
RUNTIME = "CUPTI_ACTIVITY_KIND_RUNTIME"
PROCESS = -0x1000000  # 0xFFFFFFFFFF000000 as a number with a sign: takes the thread out of a globalTid
PUSH_POP, START_END = (59, 70), (60, 71)  # the second of each is written by nvtxt import
NARROW = "Record less (a narrower capture range, fewer steps), or give a window."
ENDED_RANGES = f'"eventType" IN {PUSH_POP + START_END} AND "end" IS NOT NULL'
COPIES = {1: "HtoD", 2: "DtoH", 3: "HtoA", 4: "AtoH", 5: "AtoA", 6: "AtoD", 7: "DtoA", 8: "DtoD", 9: "HtoH", 10: "PtoP"}


class Source(NamedTuple):
    """A table of device work. `name` lists where its name's number may stand, `size` where its bytes do."""

    kind: WorkKind
    table: str
    name: tuple[str, ...]
    size: str = "0"


SOURCES = (
    Source("kernel", "CUPTI_ACTIVITY_KIND_KERNEL", ("demangledName", "shortName", "mangledName")),
    Source("memcpy", "CUPTI_ACTIVITY_KIND_MEMCPY", ("copyKind",), "bytes"),
    Source("memset", "CUPTI_ACTIVITY_KIND_MEMSET", (), "bytes"),
    Source("graph", "CUPTI_ACTIVITY_KIND_GRAPH_TRACE", ("graphId",)),
)
TABLES = frozenset({STRINGS, NVTX, COPY_KINDS, GPU, CUDA_DEVICE, META, RUNTIME, *(source.table for source in SOURCES)})


def column(export: Export, table: str, *names: str, otherwise: str = "0") -> str:
    """Return SQL for the first of these columns that has a value; `otherwise` stands in where none has."""
    there = [f'"{name}"' for name in names if name in export.columns[table]]
    return f"coalesce({', '.join([*there, otherwise])})" if there else otherwise


def need(export: Export, table: str, *names: str) -> None:
    """Raise BadTrace unless the table has these columns."""
    if missing := [name for name in names if name not in export.columns[table]]:
        raise BadTrace(f"In {export.name}, {table} has no column {missing[0]!r}", "an export by nsys 2024.1 or later", AGAIN)


def extent(export: Export) -> tuple[int, int]:
    """Return how many events a trace of the whole export has and when the earliest one started: the trace's zero."""
    total, firsts = 0, []
    for table in (*(source.table for source in SOURCES), RUNTIME, NVTX):
        if table in export.columns:
            need(export, table, "start", "end", *(["eventType"] if table == NVTX else []))
            where = f"WHERE {ENDED_RANGES}" if table == NVTX else ""
            # With min() it is a scan that the clock can end; count(*) alone would be one step of SQLite's machine, however long.
            ((count, first),) = export.all(table, ["count(*)", 'min("start")'], where)
            total += count
            firsts += [first] if count else []
    if not whole_numbers(firsts):
        raise BadTrace(f"{export.name} has an event without a time", "nanoseconds", AGAIN)
    return total, min(firsts, default=0)


def strings(export: Export, numbers: set[int]) -> dict[int, str]:
    """Return the texts behind these numbers; a number without a text is called UNNAMED. Raises BadTrace."""
    names = Names(NARROW)
    found = dict.fromkeys(numbers, UNNAMED)
    if STRINGS not in export.columns:
        return found
    need(export, STRINGS, "id", "value")
    ordered = sorted(numbers)
    for first in range(0, len(ordered), 200):
        some = ordered[first : first + 200]
        marks = ", ".join("?" * len(some))
        for chunk in export.select(STRINGS, ['"id"', f'substr("value", 1, {MAX_NAME})'], f'WHERE "id" IN ({marks})', some):
            found.update((number, names(text)) for number, text in chunk if type(number) is int and type(text) is str)
    return found


def copy_names(export: Export) -> dict[int, str]:
    """Return the copies' directions by number: the known ones, and those that the export explains (CUDA_MEMCPY_KIND_UVM_HTOD)."""
    found = dict(COPIES)
    if {"id", "name"} <= export.columns.get(COPY_KINDS, frozenset()):
        for number, name in export.all(COPY_KINDS, ['"id"', 'substr("name", 1, 100)']):
            if type(number) is int and type(name) is str:
                found.setdefault(number, name.removeprefix("CUDA_MEMCPY_KIND_").replace("_", " "))
    return found


def tool(export: Export) -> str:
    """Return "nsys" with the version that wrote the export, where it says."""
    if {"name", "value"} <= export.columns.get(META, frozenset()):
        for (value,) in export.all(META, ['substr("value", 1, 20)'], "WHERE \"name\" = 'EXPORT_PRODUCT_VERSION'"):
            if type(value) is str and value.replace(".", "").isalnum():
                return f"nsys {value}"
    return "nsys"


def device(export: Export) -> Device | None:
    """Return the GPU that the first kernel ran on; the first GPU of the machine where the export does not say which."""
    if not {"id", "name"} <= export.columns.get(GPU, frozenset()):
        return None
    numbers = [column(export, GPU, name) for name in ("memoryBandwidth", "totalMemory", "smCount")]
    rows = export.all(GPU, ['"id"', 'substr("name", 1, 200)', *numbers], most=1_000)
    for _, name, *values in rows:
        if type(name) is not str or not whole_numbers(values) or not all(0 <= value < WORD for value in values):
            raise BadTrace(f"In {export.name}, {GPU} describes no GPU", "its name and its size in numbers", AGAIN)
    used = _gpu_in_use(export)
    for row in sorted(rows, key=lambda row: (row[0] != used, str(row[0]))):
        return Device(*row[1:])
    return None


def _gpu_in_use(export: Export) -> object:
    kernels = SOURCES[0].table
    if "deviceId" not in export.columns.get(kernels, ()) or not {"gpuId", "cudaId"} <= export.columns.get(CUDA_DEVICE, frozenset()):
        return None
    found = export.all(kernels, ['"deviceId"'], "LIMIT 1")
    mapped = export.all(CUDA_DEVICE, ['"gpuId"'], 'WHERE "cudaId" = ? LIMIT 1', found[0]) if found else []
    return mapped[0][0] if mapped else None
