"""What recording costs beside the command that is recorded: `python bench/recording.py [--json]`. Needs no GPU, no torch, no vLLM; about 20 s.

The two sides take turns in one run, so that a noisy machine hits both. The ratio is of a command of about a second; what recording adds is a
fixed time, also given in milliseconds, in its two parts: running with a live tail and a log, and writing the record.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # in a script's own folder, `grading` would be bench/grading.py

from labkit.lane import Lane
from labkit.recorder import Recorder
from labkit.runner import run

COMMAND = [sys.executable, "-c", "x = sum(i * i for i in range(12_000_000))"]  # half a second to a second of work


def timed(call: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def overhead(pairs: int = 7) -> dict[str, float]:
    """Time a command bare, and run, logged and recorded, in turns. Returns medians: the ratio, seconds of the bare one, and the parts in ms."""
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        recorder, log = Recorder(Path(scratch), "bench", Lane("cpu", (), "float32")), Path(scratch) / "log"
        recorder.write("bench-run", run=run(COMMAND, log=log, quiet=True))  # what is looked up once, such as versions
        for _ in range(pairs):
            bare = timed(lambda: subprocess.run(COMMAND, check=True))
            began = time.perf_counter()
            done = run(COMMAND, log=log, quiet=True)
            ran = time.perf_counter() - began
            wrote = timed(lambda done=done: recorder.write("bench-run", run=done))  # type: ignore[misc]
            rows.append(((ran + wrote) / bare, bare, (ran - bare) * 1000, wrote * 1000))
    ratio, bare, ran, wrote = (statistics.median(column) for column in zip(*rows, strict=True))
    return {"recording_over_bare": ratio, "bare_s": bare, "run_adds_ms": ran, "record_ms": wrote}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    as_json, figures = parser.parse_args().json, overhead()
    if as_json:
        print(json.dumps({name: round(value, 4) for name, value in figures.items()}))
        return
    for name, value in figures.items():
        print(f"{name:22} {value:.3f}")


if __name__ == "__main__":
    main()
