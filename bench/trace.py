"""Reading large recordings: `python bench/trace.py [--json] [--megabytes 500] [--export FILE.sqlite]`. Needs no GPU; about a minute.

Makes an export of the given size in a temporary folder by repeating the rows of a real one, then measures `totals` over all of it and `read`
of a window, each in a process of its own: rows per second, seconds, and by how much the peak of its memory grew. Also what the real export
and its extract take, and the extract of 40,000 operators.
"""

import argparse
import gzip
import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from labkit.trace import extract, nsys
from labkit.trace.model import Op, Trace

ROOT = Path(__file__).resolve().parent.parent
FIXTURE = ROOT / "tests/labkit/trace_files/eager.sqlite.gz"
EVENTS = (
    "CUPTI_ACTIVITY_KIND_KERNEL",
    "CUPTI_ACTIVITY_KIND_MEMCPY",
    "CUPTI_ACTIVITY_KIND_MEMSET",
    "CUPTI_ACTIVITY_KIND_RUNTIME",
    "NVTX_EVENTS",
)
CHILD = """
import json, sys, time
from pathlib import Path
from labkit.trace import nsys
peak = lambda: int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024  # ru_maxrss counts the parent too
window = json.loads(sys.argv[2])
rows, before, began = [0], peak(), time.perf_counter()
def said(done, total): rows[0] = total
found = nsys.read(Path(sys.argv[1]), window=tuple(window), progress=said) if window else nsys.totals(Path(sys.argv[1]), said)
kept = len(found.work) + len(found.calls) + len(found.ranges) if window else 0
print(json.dumps({"rows": rows[0], "kept": kept, "s": time.perf_counter() - began, "mb": peak() - before}))
"""


def grow(real: Path, target: Path, size: int) -> int:
    """Write an export of at least this size, the rows of the real one again and again, each time later; return the time between two."""
    target.write_bytes(real.read_bytes())
    with sqlite3.connect(target, isolation_level=None) as connection:
        connection.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF")
        (first,), (last,) = (connection.execute(f"SELECT {what} FROM {EVENTS[3]}").fetchone() for what in ("min(start)", "max(end)"))
        copies, period = 1, 2 * (last - first)
        while target.stat().st_size < size:
            share = min(1.0, size / target.stat().st_size - 1)
            for table in EVENTS:
                double(connection, table, round(copies * period * share) if share < 1 else -1, copies * period, first)
            copies *= 2
    return int(period)


def double(connection: sqlite3.Connection, table: str, until: int, later: int, first: int) -> None:
    """Add a table's rows to it once more; those of an `until` that is not negative only where they started that long after the first."""
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    moved = ", ".join({"start": f"start + {later}", "end": f"end + {later}"}.get(name, name) for name in columns)
    where = f"WHERE start < {first + until}" if until >= 0 else ""
    connection.execute(f"INSERT INTO {table} SELECT {moved} FROM {table} {where}")


def in_a_process(path: Path, window: list[int]) -> dict[str, float]:
    """Measure `totals`, or `read` where there is a window, in a fresh interpreter."""
    command = [sys.executable, "-c", CHILD, str(path), json.dumps(window)]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout)
    return found


def large(real: Path, size: int) -> dict[str, float]:
    """Measure on an export of a given size."""
    with tempfile.TemporaryDirectory(prefix="bench-trace-") as scratch:
        path = Path(scratch) / "large.sqlite"
        period = grow(real, path, size)
        whole, part = in_a_process(path, []), in_a_process(path, [10 * period, 14 * period])
        return {
            "export_mb": path.stat().st_size / 1e6,
            "rows": whole["rows"],
            "totals_s": whole["s"],
            "totals_rows_per_s": whole["rows"] / whole["s"],
            "totals_peak_mb": whole["mb"],
            "window_kept_rows": part["kept"],
            "window_s": part["s"],
            "window_peak_mb": part["mb"],
        }


def small(real: Path) -> dict[str, float]:
    """Measure on the real export and on 40,000 operators, the median of five."""
    trace = nsys.read(real)
    ops = tuple(Op(f"aten::op{n % 300}", n * 1001, n * 1001 + n % 977, 5, 5) for n in range(40_000))
    data = extract.packed(Trace("bench", None, (), (), (), ops))
    return {
        "real_rows": len(trace.work) + len(trace.calls) + len(trace.ranges),
        "real_read_ms": seconds(lambda: nsys.read(real)) * 1000,
        "real_extract_kb": len(extract.packed(trace)) / 1000,
        "parse_40k_ops_ms": seconds(lambda: extract.parse(data)) * 1000,
    }


def seconds(call: Callable[[], object]) -> float:
    """Seconds that a call takes, the median of five."""
    took = []
    for _ in range(5):
        began = time.perf_counter()
        call()
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--export", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        real = arguments.export or Path(scratch) / "real.sqlite"
        if not arguments.export:
            real.write_bytes(gzip.decompress(FIXTURE.read_bytes()))
        figures = small(real) | large(real, arguments.megabytes * 1_000_000)
    if arguments.json:
        print(json.dumps({name: round(value, 4) for name, value in figures.items()}))
        return
    table = Table("figure", "value", title="bench/trace.py")
    for name, value in figures.items():
        table.add_row(name, f"{value:,.0f}" if value >= 1000 else f"{value:.3g}")
    Console().print(table)


if __name__ == "__main__":
    main()
