"""The class run's end of the Ray engine: keeps a bounded number of submissions in flight, and hands answers on in order.

Ray starts a task again elsewhere when its node dies. It is no security boundary: a learner's function runs in bubblewrap inside the
worker that the task starts, as everywhere.
"""

import contextlib
import importlib.util
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from multiprocessing import Pipe
from pathlib import Path

from grading.classrun.answering import Answered
from grading.classrun.ray_driver import Message, Order
from grading.classrun.ray_node import Told
from grading.classrun.same_grader import grader_here
from grading.classrun.worker import Question, Setup

_ROOT = str(Path(__file__).resolve().parents[2])
_BOOT = "import sys; sys.path.insert(0, sys.argv.pop(1)); from grading.classrun.ray_driver import main; main()"
_PER_PROCESSOR = 2  # submissions on their way to each: one is graded, one waits beside it; each is some MB
_EARLY = 512  # answers that wait for an earlier one, which may take minutes: 0.4 MB each
_ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0"}  # Ray tells nobody about this run
_ENDED = "its head, or this machine's part of it, no longer answers"
_CONNECT, _START, _SILENT, _END = 5.0, 120.0, 90.0, 20.0  # seconds


class NoRay(Exception):
    """Ray is not installed, no cluster answers, or a node must not grade. The text is written for the instructor."""


def in_ray(questions: Iterable[Question], setup: Setup, address: str) -> Iterator[Answered]:
    """Ask workers on the nodes of a Ray cluster at HOST:PORT; `address` "" starts Ray on this machine. A submission travels as bytes.

    When the cluster goes away, the rest is answered with the reason. Raises NoRay.
    """
    ahead = iter(questions)
    first = next(ahead, None)
    if first is None:  # all were graded before: no cluster is needed to say so
        return
    _look(address)
    driver = _Driver(setup, address)
    try:
        ready = driver.hear(_START)
        if ready.kind != "ready":
            raise NoRay(f"{ready.text}. Is the address right, and is this machine a node of that cluster (docs/grading.md, Ray)?")
        yield from _Flight(driver, ready.number).answers(chain([first], ahead))
        driver.finish()
    finally:
        driver.close()


def _look(address: str) -> None:
    if importlib.util.find_spec("ray") is None:
        raise NoRay(
            "Ray is not installed here. Expected what requirements/ray.txt lists (docs/grading.md, Ray). Install it, or leave out --engine ray."
        )
    host, _, port = address.rpartition(":")
    if address and not (host and port.isdigit()):
        raise NoRay(f"{address}: not an address of a Ray cluster. Expected HOST:PORT, as `ray start --head` prints it.")
    try:
        if address:
            socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT).close()
    except (OSError, OverflowError) as error:
        raise NoRay(
            f"{address}: no Ray cluster answers ({error}). Expected the HOST:PORT that `ray start --head` printed. Is it running?"
        ) from None


class _Driver:
    """The process that speaks with the cluster."""

    def __init__(self, setup: Setup, address: str) -> None:
        told = Told(setup.model_dump_json(), tuple(grader_here(setup.checks, setup.path).items()))
        self._line, theirs = Pipe()
        command = [sys.executable, "-I", "-c", _BOOT, _ROOT, str(os.getpid()), str(theirs.fileno())]
        null = subprocess.DEVNULL  # Ray's own logs have more than its stderr
        self._process = subprocess.Popen(
            command, stdin=null, stdout=null, stderr=null, cwd=os.sep, env=os.environ | _ENVIRONMENT, pass_fds=(theirs.fileno(),)
        )
        theirs.close()
        # a worker's limits (two tries, each perhaps a second time with checks apart) and the time to start
        with contextlib.suppress(OSError):  # it ended already: `hear` says so
            self._line.send(Order(address, told, list(setup.frame.sanitised), 3 * (4 * setup.seconds + 60)))

    def ask(self, number: int, question: Question) -> None:
        """Send a question. The process packs the submission itself: it sees the same disk."""
        with contextlib.suppress(OSError):  # it ended: `hear` says so
            self._line.send((number, question.folder, question.model_dump_json()))

    def hear(self, seconds: float) -> Message:
        """Return the next message."""
        try:
            if self._line.poll(seconds):
                said: Message = self._line.recv()
                return said
        except (EOFError, OSError):
            return Message("gone", data=_ENDED)
        return Message("gone", data=f"Ray said nothing for {seconds:.0f} s")

    def finish(self) -> None:
        """Let the process leave the cluster, or end the one that it started."""
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            self._line.send(None)
            self._process.wait(_END)

    def close(self) -> None:
        """End the process where it has not ended: Linux ends what it started, and a cluster its tasks."""
        self._line.close()
        self._process.kill()
        self._process.wait()


class _Flight:
    """Questions on their way, and answers that came early."""

    def __init__(self, driver: _Driver, processors: int) -> None:
        self._driver, self._most = driver, max(2, processors * _PER_PROCESSOR)
        self._waiting: deque[tuple[int, Question]] = deque()
        self._early: dict[int, bytes | str] = {}
        self._asked: set[int] = set()
        self._gone = ""

    def answers(self, questions: Iterable[Question]) -> Iterator[Answered]:
        """Yield the answers in the order of the questions. Raises NoRay."""
        for number, question in enumerate(questions):
            self._waiting.append((number, question))
            self._ask(number, question)
            while len(self._asked) >= self._most or len(self._waiting) >= self._most + _EARLY:
                self._take(self._driver.hear(_SILENT))
                yield from self._ripe()
        while self._waiting:
            yield from self._ripe()
            if self._waiting:
                self._take(self._driver.hear(_SILENT))

    def _ask(self, number: int, question: Question) -> None:
        if not self._gone:
            self._asked.add(number)
            self._driver.ask(number, question)

    def _take(self, said: Message) -> None:
        if said.kind in ("refused", "stopped"):
            raise NoRay(said.text)
        if said.kind == "gone":
            self._gone = f"the Ray cluster went away: {said.text}. The same command goes on with another, or with --engine local"
            self._asked.clear()
        elif said.kind in ("answer", "problem"):
            self._asked.discard(said.number)
            self._early[said.number] = said.data

    def _ripe(self) -> Iterator[Answered]:
        while self._waiting and (self._gone or self._waiting[0][0] in self._early):
            number, question = self._waiting.popleft()
            yield question, self._early.pop(number, self._gone)
