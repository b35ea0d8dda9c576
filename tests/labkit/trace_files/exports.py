"""Small nsys exports for tests: the real one of this folder, and ones made up row by row."""

import gzip
import sqlite3
from pathlib import Path
from typing import Any

PROCESS = 0x01_00_000ABC_000000  # hardware 1, virtual machine 0, process 0xABC
THREAD = PROCESS + 0x123
KERNEL = "CUPTI_ACTIVITY_KIND_KERNEL"
COPY = "CUPTI_ACTIVITY_KIND_MEMCPY"
SET = "CUPTI_ACTIVITY_KIND_MEMSET"
GRAPH = "CUPTI_ACTIVITY_KIND_GRAPH_TRACE"
CALLS = "CUPTI_ACTIVITY_KIND_RUNTIME"
RANGES = "NVTX_EVENTS"
COLUMNS = {
    "StringIds": "id INTEGER NOT NULL PRIMARY KEY, value TEXT NOT NULL",
    KERNEL: "start INTEGER, end INTEGER, deviceId INTEGER, streamId INTEGER, correlationId INTEGER, globalPid INTEGER,"
    " demangledName INTEGER, shortName INTEGER",
    COPY: "start INTEGER, end INTEGER, streamId INTEGER, correlationId INTEGER, globalPid INTEGER, bytes INTEGER, copyKind INTEGER",
    SET: "start INTEGER, end INTEGER, streamId INTEGER, correlationId INTEGER, globalPid INTEGER, bytes INTEGER",
    GRAPH: "start INTEGER, end INTEGER, streamId INTEGER, correlationId INTEGER, globalPid INTEGER, graphId INTEGER",
    CALLS: "start INTEGER, end INTEGER, globalTid INTEGER, correlationId INTEGER, nameId INTEGER",
    RANGES: "start INTEGER, end INTEGER, eventType INTEGER, text TEXT, textId INTEGER, globalTid INTEGER, domainId INTEGER",
}
ROWS: dict[str, list[tuple[Any, ...]]] = {
    "StringIds": [(1, "void kernel<int>(int)"), (2, "kernel"), (3, "cudaLaunchKernel_v7000"), (4, "registered")],
    KERNEL: [(1500, 1900, 0, 7, 11, PROCESS, 1, 2), (2000, 2100, 0, 7, 12, PROCESS, None, 2)],
    CALLS: [(1200, 1300, THREAD, 11, 3), (1310, 1330, THREAD, 12, 3)],
    RANGES: [(1000, 1400, 59, "step 0", None, THREAD, 0), (1100, 1350, 60, None, 4, THREAD, 0), (1390, None, 59, "open", None, THREAD, 0)],
}


def export(path: Path, rows: dict[str, list[tuple[Any, ...]]] | None = None, columns: dict[str, str] | None = None) -> Path:
    """Write an export of these tables; what is not given is as above."""
    rows, columns = ROWS | (rows or {}), COLUMNS | (columns or {})
    connection = sqlite3.connect(path)
    for table, values in rows.items():
        connection.execute(f"CREATE TABLE {table} ({columns[table]})")
        for row in values:
            connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
    connection.commit()
    connection.close()
    return path


def recording(folder: Path) -> Path:
    """Unpack the real export, cut down from a recording of vLLM on an H100 (cut_recording.py)."""
    path = folder / "eager.sqlite"
    path.write_bytes(gzip.decompress((Path(__file__).parent / "eager.sqlite.gz").read_bytes()))
    return path


def script(path: Path, statements: str) -> Path:
    """Run SQL on a file; schema tricks are allowed."""
    connection = sqlite3.connect(path)
    connection.executescript(f"PRAGMA writable_schema=ON; {statements}")
    connection.close()
    return path
