"""nbgrader's stock commands, each in a process of its own with its output in a log file."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from labkit.messages import LearnerMessage
from labkit.submit import ASSIGNMENT

ROOT = Path(__file__).resolve().parent.parent  # where nbgrader_config.py is
SECONDS = 900


@dataclass(frozen=True)
class Started:
    """A command that runs."""

    command: str
    process: subprocess.Popen[bytes]
    log: Path


def start(command: str, course: Path, log: Path) -> Started:
    """Start `nbgrader COMMAND day2` on the course in the folder `course`, with this repository's configuration."""
    line = [sys.executable, "-m", "nbgrader", command, ASSIGNMENT, "--force", f"--CourseDirectory.root={course}"]
    with log.open("wb") as stream:
        process = subprocess.Popen(line, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, env=os.environ)
    return Started(command, process, log)


def finish(started: Started) -> str:
    """Wait for a command and say how it went. Raises LearnerMessage when it fails, or takes too long."""
    try:
        code = started.process.wait(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        started.process.kill()
        code = started.process.wait()
    if code:
        raise LearnerMessage(
            f"nbgrader {started.command} failed:\n{started.log.read_text(errors='replace')[-2000:]}", f"The whole log is {started.log}."
        )
    return f"nbgrader {started.command} {ASSIGNMENT}: exit code 0"
