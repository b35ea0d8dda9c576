"""Run one piece of work in a forked child with limits, and take its bytes from a pipe."""

import contextlib
import ctypes
import os
import selectors
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from grading.limits import CheckLimits, apply_limits

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


def die_with(parent: int) -> None:
    """Ask Linux to end this process when `parent`, which started it, ends, however that happens."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before we asked
        os._exit(1)


def read_until(descriptor: int, deadline: float, limit: int, stop: bytes | None = None, exactly: int | None = None) -> tuple[bytes, str]:
    """Read a pipe to its end, to `stop` at the end of a part, or until there are `exactly` so many bytes.

    Returns the bytes, and "time" or "size" when a limit came first.
    """
    data = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while selector.select(max(0.0, deadline - time.monotonic())):
            part = os.read(descriptor, 65536 if exactly is None else min(65536, exactly - len(data)))
            data += part
            if not part or len(data) == exactly or (stop is not None and part.endswith(stop)):
                return bytes(data), ""
            if len(data) > limit:
                return b"", "size"
    return bytes(data), "time"


def _be_the_child(work: Callable[[], bytes], write_end: int, limits: CheckLimits) -> NoReturn:
    code = 1
    try:
        os.setsid()  # its own process group, so that what it leaves behind can be ended with it
        apply_limits(limits)
        reply = work()
        while reply:
            reply = reply[os.write(write_end, reply) :]
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
