"""Work in a forked child with limits, its bytes taken from a pipe: one piece of it (run_forked), or several, one after the other (Serving)."""

import contextlib
import ctypes
import os
import resource
import selectors
import signal
import struct
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from grading.limits import CheckLimits, apply_limits

LENGTH = struct.Struct(">Q")  # before each part of a stream
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
            _write(self._ask, LENGTH.pack(len(question)) + question)
        except OSError:
            return Ended(b"", "it ended")
        head, problem = read_until(self._answers, deadline, LENGTH.size, exactly=LENGTH.size)
        if problem or len(head) != LENGTH.size:
            return Ended(b"", problem or "it ended")
        (length,) = LENGTH.unpack(head)
        if length > self._limits.reply_bytes:
            return Ended(b"", "size")
        reply, problem = read_until(self._answers, deadline, length, exactly=length)
        return Ended(reply, problem or ("" if len(reply) == length else "it ended"))

    def close(self) -> None:
        """End the child, and what it left in its process group."""
        os.close(self._ask)
        os.close(self._answers)
        _end(self._child, kill=True)


def _serve(answer: Callable[[bytes], bytes], asked: int, answered: int) -> bytes:
    with os.fdopen(asked, "rb") as questions:
        while head := questions.read(LENGTH.size):
            reply = answer(questions.read(LENGTH.unpack(head)[0]))
            _write(answered, LENGTH.pack(len(reply)) + reply)
    return b""


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


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
    if exactly == 0:
        return b"", ""
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
        _write(write_end, work())
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
