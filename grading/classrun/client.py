"""The other end of a warm worker: starts it, asks, and starts it again when it dies."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from grading.classrun.worker import MOST_BYTES, Question, Setup
from grading.pipes import read_part, write

_ROOT = str(Path(__file__).resolve().parents[2])
# -I: no working directory, no PYTHONPATH, no user site; from this very checkout, installed or not
_BOOT = "import sys; sys.path.insert(0, sys.argv.pop(1)); from grading.classrun.worker import main; main()"
_START_SECONDS = 60.0
# glibc gives freed memory back to the kernel and fetches it again, page fault by page fault; a worker's children live for half a second
_KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "1073741824", "MALLOC_TRIM_THRESHOLD_": "1073741824", "MALLOC_TOP_PAD_": "16777216"}


class WorkerDied(Exception):
    """The worker ended, or did not answer in time; the next question starts a new one."""


class Worker:
    """One warm worker. Not to be shared between threads while it answers."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._process: subprocess.Popen[bytes] | None = None
        self._guard = threading.Lock()

    def ask(self, question: Question) -> bytes:
        """Return the answer, a JSON text. Raises WorkerDied."""
        # first try, second try with checks apart, and time to start
        deadline = time.monotonic() + 4 * self._setup.seconds + _START_SECONDS
        try:
            process = self._process if self._process is not None and self._process.poll() is None else self._start()
            assert process.stdin is not None and process.stdout is not None
            write(process.stdin.fileno(), question.model_dump_json().encode() + b"\n")
            answer, problem = read_part(process.stdout.fileno(), deadline, 2 * MOST_BYTES)
        except OSError as error:
            answer, problem = b"", str(error)
        if problem:
            self.close()
            raise WorkerDied(problem)
        return answer

    def close(self) -> None:
        """End the worker, and with it all that it started."""
        with self._guard:
            process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()  # its pipes close with the last who uses them: another thread may be reading an answer

    def _start(self) -> "subprocess.Popen[bytes]":
        self.close()
        command = [sys.executable, "-I", "-c", _BOOT, _ROOT, str(os.getpid())]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, cwd=os.sep, env=os.environ | _KEEP_MEMORY
        )
        assert process.stdin is not None
        self._process = process
        write(process.stdin.fileno(), self._setup.model_dump_json().encode() + b"\n")
        return process


def problem_of(answer: bytes) -> str:
    """Return why a worker could not grade a submission, or "" for a Graded."""
    head = json.loads(answer) if answer.startswith(b'{"problem"') else {}
    return str(head.get("problem", ""))
