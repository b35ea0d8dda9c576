"""Work in a forked child with limits, its bytes taken from a pipe: one piece of it (run_forked), or several, one after the other (Serving)."""

import contextlib
import ctypes
import math
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from grading.limits import CheckLimits, apply_limits
from grading.pipes import read_part, read_until, write, write_part

_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Ended:
    """How the child ended: its bytes, and why they cannot be trusted ("" when they can)."""

    reply: bytes
    problem: str = ""


def run_forked(work: Callable[[], bytes], limits: CheckLimits) -> Ended:
    """Run `work` in a child of this process, within the limits, and return what it returned. Nothing it does can raise here."""
    read_end, write_end = os.pipe()
    parent, child = os.getpid(), os.fork()
    if child == 0:
        os.close(read_end)  # else a child whose parent is gone would wait for itself to read
        die_with(parent)
        _be_the_child(work, write_end, limits)
    os.close(write_end)
    reply, problem = read_until(read_end, time.monotonic() + limits.wall_seconds, limits.reply_bytes)
    os.close(read_end)
    status = _end(child, kill=bool(problem))
    if not problem and status != 0:
        problem = f"killed by signal {-status}" if status < 0 else f"exit code {status}"
    return Ended(reply, problem)


class Serving:
    """A child that answers one question after the other. A child's first work is dear, because it copies the parent's pages; the next is not."""

    def __init__(self, answer: Callable[[bytes], bytes], limits: CheckLimits) -> None:
        self._limits = limits
        asked, self._ask = os.pipe()
        self._answers, answered = os.pipe()
        parent, self._child = os.getpid(), os.fork()
        if self._child == 0:
            os.close(self._ask)
            os.close(self._answers)
            die_with(parent)
            _be_the_child(lambda: _serve(answer, asked, answered), answered, limits)
        os.close(asked)
        os.close(answered)
        self._size = self._address_space()

    def grown(self) -> int:
        """Return by how many bytes its address space, which the limits bound, is larger now than at its start; 0 when it has ended."""
        return max(0, self._address_space() - self._size)

    def _address_space(self) -> int:
        try:
            return int(Path(f"/proc/{self._child}/statm").read_text().split()[0]) * resource.getpagesize()
        except (OSError, ValueError, IndexError):
            return 0

    def ask(self, question: bytes) -> Ended:
        """Return the answer within the limits' wall time. After a problem the child is of no use any more: close it. Nothing it does can raise here."""
        deadline = time.monotonic() + self._limits.wall_seconds
        try:
            write_part(self._ask, question)
        except OSError:
            return Ended(b"", "it ended")
        return Ended(*read_part(self._answers, deadline, self._limits.reply_bytes))

    def close(self) -> None:
        """End the child, and what it left in its process group."""
        os.close(self._ask)
        os.close(self._answers)
        _end(self._child, kill=True)


def _serve(answer: Callable[[bytes], bytes], asked: int, answered: int) -> bytes:
    while True:
        question, problem = read_part(asked, math.inf, sys.maxsize)
        if problem:
            return b""
        write_part(answered, answer(question))


def die_with(parent: int) -> None:
    """Ask Linux to end this process when `parent`, which started it, ends, however that happens."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before we asked
        os._exit(1)


def _be_the_child(work: Callable[[], bytes], write_end: int, limits: CheckLimits) -> NoReturn:
    code = 1
    try:
        os.setsid()  # its own process group, so that what it leaves behind can be ended with it
        apply_limits(limits)
        write(write_end, work())
        code = 0
    except BaseException:  # a child must never return into the server's loop, whatever happened
        traceback.print_exc()
    finally:
        os._exit(code)


def _end(child: int, *, kill: bool) -> int:
    """Reap the child, end what it left in its process group, and return its exit code (negative: the signal)."""
    if kill:
        os.kill(child, signal.SIGKILL)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)  # not reaped yet: its number cannot be another process's group
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
