"""What the course's own machinery costs: `python bench/basics.py [--json]`. Needs no GPU, no torch, no vLLM; about 20 s.

Ratios come from one run, alternating the two sides, so that a noisy machine hits both.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # in a script's own folder, `grading` would be bench/grading.py

from rich.console import Console
from rich.table import Table

from bench.recording import overhead, timed
from grading.catalogue import load_catalogue
from grading.judge import Judge

ROOT = Path(__file__).resolve().parent.parent


def import_labkit() -> float:
    """Seconds to import labkit in a fresh interpreter, the median of five."""
    code = "import time; t = time.perf_counter(); import labkit; print(time.perf_counter() - t)"
    found = [float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout) for _ in range(5)]
    return statistics.median(found)


def seconds_per_check() -> dict[str, float]:
    """Seconds per check of the reference submission, the judge's start left out."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "reference" / "day2"
        shutil.copytree(ROOT / "recordings/cpu-reference", folder)
        for notebook in (ROOT / "source/day2").glob("*.ipynb"):
            shutil.copy(notebook, folder)
        with Judge() as judge:
            exercises = [exercise for _, exercise in load_catalogue().exercises() if not exercise.manual]
            judge.judge(folder, "reference", exercises[0].grade_id, exercises[0].points)
            return {e.grade_id: timed(lambda e=e: judge.judge(folder, "reference", e.grade_id, e.points)) for e in exercises}  # type: ignore[misc]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    checks = seconds_per_check()
    figures = {
        "import_labkit_s": import_labkit(),
        "recording_over_bare": overhead()["recording_over_bare"],
        "check_median_ms": statistics.median(checks.values()) * 1000,
        "check_in_sandbox_ms": checks["environment-compile_jobs"] * 1000,
        "checks_of_one_submission_s": sum(checks.values()),
    }
    if as_json:
        print(json.dumps({name: round(value, 4) for name, value in figures.items()}))
        return
    table = Table("figure", "value", title="bench/basics.py")
    for name, value in figures.items():
        table.add_row(name, f"{value:.3g}")
    Console().print(table)


if __name__ == "__main__":
    main()
