"""Build as much of one CMake target as the time allows, in the folder that lesson 02 configured, and say what it took."""

import os
import resource
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from labkit.build import ninja

LEAST_SECONDS = 15.0  # kept for stopping and for telling


def build_target(build: Path, target: str, seconds: float) -> dict[str, Any]:
    """Build `target` with all cores for at most `seconds`, past units that fail (-k 0: some need what only GitHub has).

    Returns how many units it has, how many are built (those from lesson 02 too) and how long this took. ninja ends in order when it is interrupted.
    """
    began, used = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    units = {output for output in ninja.dependencies(build, target) if ninja.split_object(output)}
    process = subprocess.Popen(["ninja", "-C", build, "-k", "0", target], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(timeout=max(1.0, seconds - LEAST_SECONDS))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        process.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    edges = [edge for edge in ninja.read_log(build) if edge.output in units]
    return {
        "target": target, "units": len(units), "built": len({edge.output for edge in edges}), "exit_code": process.returncode,
        "wall_s": round(time.monotonic() - began, 1), "cpu_s": round(after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime, 1),
        "cores": len(os.sched_getaffinity(0)), "slowest": [[edge.name, round(edge.seconds, 1)] for edge in ninja.slowest(edges, 5)],
    }  # fmt: skip
