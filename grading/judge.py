"""Ask for verdicts. The checks run in another process, so nothing that a submission holds can hurt the one that asks.

`python -I -m grading.judge` is that process; `Judge` starts it, restarts it when it dies, and never raises for a submission.
"""

import dataclasses
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import ValidationError

from grading.limits import CheckLimits
from grading.pipes import read_until
from grading.registry import OUR_CHECKS
from grading.verdict import Verdict, not_judged

_ROOT = str(Path(__file__).resolve().parents[1])
# as `python -I -m grading.judge`, but from this very checkout, installed or not; -I: no cwd, no PYTHONPATH, no user site
_BOOT = "import sys; sys.path.insert(0, sys.argv.pop(1)); from grading.judge_server import main; main(sys.argv[1:])"
_START_SECONDS = 60.0
_REPLY_BYTES = 256 * 1024
_log = logging.getLogger(__name__)


class _Died(Exception):
    """The server ended, or did not answer in time."""


class Judge:
    """A client with its own server. Use it as a context manager, or call close().

    `checks` is the package that lists the checks and `path` where to import it from; only an instructor's code or
    configuration sets them.
    """

    def __init__(self, checks: str = OUR_CHECKS, path: Sequence[str] = (), limits: CheckLimits | None = None) -> None:
        self._checks, self._path, self._limits = checks, list(path), limits or CheckLimits()
        self._server: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def judge(self, folder: Path, learner: str, grade_id: str, points: float) -> Verdict:
        """Return the verdict on one exercise. A server that cannot answer, twice, gives a "not judged" verdict."""
        request = json.dumps({"folder": str(folder), "learner": learner, "grade_id": grade_id, "points": points}).encode() + b"\n"
        with self._lock:
            for _ in range(2):
                try:
                    return self._understood(self._ask(request), grade_id)
                except _Died as died:
                    _log.warning("%s: the judge's server is started again: %s", grade_id, died)
                    self._stop()
                except BaseException:  # an interrupt: its answer must not be taken for that of the next question
                    self._stop()
                    raise
        return not_judged("The grader's checking process could not be used.")

    def close(self) -> None:
        """End the server. The next question would start a new one."""
        with self._lock:
            self._stop()

    def _ask(self, request: bytes) -> bytes:
        fresh = self._server is None or self._server.poll() is not None
        server = self._start() if fresh else self._server
        assert server is not None and server.stdin is not None and server.stdout is not None
        patience = self._limits.wall_seconds + 10.0 + (_START_SECONDS if fresh else 0.0)
        try:
            server.stdin.write(request)
            return _read_line(server.stdout.fileno(), time.monotonic() + patience)
        except OSError as error:
            raise _Died(str(error)) from None

    def _start(self) -> subprocess.Popen[bytes]:
        self._stop()
        paths = [word for folder in self._path for word in ("--path", folder)]
        limits = json.dumps(dataclasses.asdict(self._limits))
        command = [sys.executable, "-I", "-c", _BOOT, _ROOT, "--checks", self._checks, *paths, "--limits", limits]
        self._server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, cwd=os.sep)
        return self._server

    def _stop(self) -> None:
        if self._server is not None:
            self._server.kill()
            self._server.communicate()
            self._server = None

    @staticmethod
    def _understood(reply: bytes, grade_id: str) -> Verdict:
        try:
            said = json.loads(reply)
            verdict = Verdict.model_validate(said["verdict"])
        except (ValueError, KeyError, TypeError, ValidationError) as error:
            raise _Died(f"it answered {reply[:80]!r} ({type(error).__name__})") from None
        if said.get("fault"):
            _log.warning("%s: not judged, a fault in the grader: %s", grade_id, said["fault"])
        return verdict


def _read_line(descriptor: int, deadline: float) -> bytes:
    """Read one line. The server sends nothing unasked, so what comes is the line or the end. Raises _Died."""
    line, problem = read_until(descriptor, deadline, _REPLY_BYTES, stop=b"\n")
    if problem or not line.endswith(b"\n"):
        raise _Died(problem or "it ended")
    return line


if __name__ == "__main__":
    from grading.judge_server import main

    main()
