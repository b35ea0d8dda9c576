"""Attempts that end the process, outlive it, or forge its answer. This source is run inside the sandbox (sandbox_probe.py), one attempt a start."""

import ctypes
import mmap
import os
import signal
import stat
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FORGED = b'{"results": [{"value": "\\"forged\\""}]}'


def result_pipe() -> int:
    """Find the pipe for results, as an attacker does."""
    for number in range(3, 32):
        try:
            if stat.S_ISFIFO(os.fstat(number).st_mode):
                return number
        except OSError:
            continue
    raise FileNotFoundError("no pipe")


def forge_an_answer_too_many(_: object) -> str:
    """Write an answer into the pipe before the real one."""
    os.write(result_pipe(), FORGED)
    return "real"


def forge_a_fault_of_the_grader(_: object) -> str:
    """Claim that there is no sandbox, for a grade by hand."""
    os.write(result_pipe(), b"not sandboxed: no walls")
    os._exit(1)


def forge_the_signal_of_readiness(_: object) -> str:
    """Write "ready" again, and leave."""
    os.write(result_pipe(), b"ready\n")
    os._exit(0)


def close_the_pipe_and_stay(_: object) -> str:
    """Close the pipe, so that the grader believes that it is over, and compute on."""
    os.close(result_pipe())
    while True:
        pass


def patch_the_runner(_: object) -> str:
    """Replace the functions of the program that runs us, and the modules that it uses."""
    runner = sys.modules["__main__"]
    runner.called = lambda *_: {"value": '"forged"'}  # type: ignore[attr-defined]
    runner.described = runner.outcome = None  # type: ignore[attr-defined]
    for name in list(sys.modules):
        if name not in ("builtins", "sys"):
            sys.modules[name] = None  # type: ignore[assignment]
    return "real"


def ignore_the_signal_for_time(_: object) -> str:
    """Catch SIGXCPU and compute on."""
    signal.signal(signal.SIGXCPU, lambda *_: None)
    while True:
        pass


def block_all_signals_and_sleep(_: object) -> str:
    """Block every signal and wait."""
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
    while True:
        time.sleep(60)


def fill_memory(_: object) -> str:
    """Take memory, catch the error, take more, for ever."""
    taken: list[object] = []
    while True:
        try:
            taken.append(bytearray(64 << 20))
        except MemoryError:
            taken.append(taken)


def overflow_the_stack(_: object) -> str:
    """Recurse without a limit."""
    sys.setrecursionlimit(1 << 30)

    class Deep:
        def __repr__(self) -> str:
            return repr(self) + "!"

    return repr(Deep())


def read_address_zero(_: object) -> str:
    """Crash in C."""
    return ctypes.string_at(0).decode()


def call_the_other_numbering(place: "dict[str, Any]") -> str:
    """Call getpid under x32's numbers, which a list for x86_64 alone would let through."""
    return f"got {ctypes.CDLL(None).syscall(ctypes.c_long(0x40000000 + place['getpid']))}"


def call_as_32_bits(_: object) -> str:
    """Call getpid as a 32-bit program (mov eax, 20; int 0x80; ret)."""
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")
    return f"got {ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()}"


def become_another_program(_: object) -> str:
    """Replace the interpreter by a new one, which looks whether it is free."""
    code = (
        "import os\ntry:\n    os.fork() or os._exit(0)\n    said = 'free'\nexcept OSError:\n    said = 'confined'\n"
        f'os.write({result_pipe()}, b\'{{"results": [{{"value": "\\\\"%s\\\\""}}]}}\' % said.encode())'
    )
    os.execv(sys.executable, ["python", "-S", "-c", code])  # noqa: S606 - the attempt


def flood_the_answer(_: object) -> str:
    """Return a gigabyte, a piece at a time."""
    pipe = result_pipe()
    while True:
        os.write(pipe, bytes(1 << 16))


def flood_the_streams(_: object) -> str:
    """Print without an end, on every stream."""
    for stream in (0, 1, 2):
        for _ in range(200):
            os.write(stream, bytes(1 << 16))
    return "real"


def leave_work_for_later(_: object) -> str:
    """Leave an alarm and an exit handler behind."""
    import atexit

    atexit.register(os.write, result_pipe(), FORGED)
    signal.signal(signal.SIGALRM, lambda *_: os.write(result_pipe(), FORGED))
    signal.alarm(1)
    return "real"


def attempt(name: str, place: "dict[str, Any]") -> str:
    """Make one attempt."""
    return str(globals()[name](place))
