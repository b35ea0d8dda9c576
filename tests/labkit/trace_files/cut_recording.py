"""Cuts fixtures out of real nsys exports: `python tests/labkit/trace_files/cut_recording.py RECORDING.sqlite[.gz] NAME`.

Kept are what the range "inference" and 0.2 s before it hold (of an export without such a range, which was captured steady, all of it), the
names that this needs, and what describes the GPU and the tool's version. The environment, the command line, processes, threads, files and
their contents are never copied: the new file is built from nothing.

It writes NAME.sqlite.xz, a third smaller than gzip's (eager.sqlite.gz was packed by an earlier version).
"""

import gzip
import lzma
import sqlite3
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
EVENTS = {
    "CUPTI_ACTIVITY_KIND_KERNEL": ("demangledName", "shortName"),
    "CUPTI_ACTIVITY_KIND_MEMCPY": (),
    "CUPTI_ACTIVITY_KIND_MEMSET": (),
    "CUPTI_ACTIVITY_KIND_RUNTIME": ("nameId",),
    "NVTX_EVENTS": ("textId",),
}
WHOLE = ("ENUM_CUDA_MEMCPY_OPER", "ENUM_NSYS_EVENT_TYPE", "TARGET_INFO_CUDA_DEVICE", "TARGET_INFO_GPU")
BEFORE = 200_000_000
ALWAYS = 2**62


def cut(source: Path, target: Path) -> None:
    """Write what the tests need of an export into a new file."""
    new = sqlite3.connect(target)
    new.execute("ATTACH ? AS old", (str(source),))
    there = {name for (name,) in new.execute("SELECT name FROM old.sqlite_master")}  # nsys leaves out what has no rows
    events = {name: strings for name, strings in EVENTS.items() if name in there}
    for name in (*events, *WHOLE, "StringIds", "META_DATA_EXPORT"):
        (create,) = new.execute("SELECT sql FROM old.sqlite_master WHERE name = ?", (name,)).fetchone()
        new.execute(create)
    found = new.execute("SELECT start - ?, end FROM old.NVTX_EVENTS WHERE text = 'inference'", (BEFORE,)).fetchone()
    start, end = found or (-ALWAYS, ALWAYS)
    for name, strings in events.items():
        copy_events(new, name, strings, start, end)
    for name in WHOLE:
        new.execute(f"INSERT INTO {name} SELECT * FROM old.{name}")
    new.execute(
        "INSERT INTO META_DATA_EXPORT SELECT * FROM old.META_DATA_EXPORT WHERE name LIKE 'EXPORT_PRODUCT%' OR name LIKE 'EXPORT_SCHEMA%'"
    )
    new.execute("UPDATE TARGET_INFO_GPU SET uuid = NULL, busLocation = NULL")
    new.execute("UPDATE CUPTI_ACTIVITY_KIND_KERNEL SET mangledName = NULL")
    new.commit()
    new.execute("DETACH old")
    new.execute("VACUUM")
    new.close()


def copy_events(new: sqlite3.Connection, name: str, strings: tuple[str, ...], first: int, last: int) -> None:
    """Copy a table's events of a time, the NVTX domain's name, and the strings that they need."""
    also = "OR text IS 'CCCL'" if name == "NVTX_EVENTS" else ""
    new.execute(f"INSERT INTO {name} SELECT * FROM old.{name} WHERE start BETWEEN ? AND ? {also}", (first, last))
    for column in strings:
        new.execute(f"INSERT OR IGNORE INTO StringIds SELECT * FROM old.StringIds WHERE id IN (SELECT {column} FROM {name})")


def main() -> None:
    """Cut the recording named on the command line."""
    source, name = Path(sys.argv[1]), sys.argv[2]
    with tempfile.TemporaryDirectory() as scratch:
        old, new = Path(scratch) / "old.sqlite", Path(scratch) / "new.sqlite"
        data = source.read_bytes()
        old.write_bytes(gzip.decompress(data) if source.suffix == ".gz" else data)
        cut(old, new)
        (HERE / f"{name}.sqlite.xz").write_bytes(lzma.compress(new.read_bytes(), preset=9))


if __name__ == "__main__":
    main()
