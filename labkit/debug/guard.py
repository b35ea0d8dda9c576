"""Runs a command so that nothing of it outlives the notebook: python -P -m labkit.debug.guard PARENT COMMAND ARGUMENT...

A program at a breakpoint waits for ever, and vLLM's processes hold gigabytes. The kernel tells the guard when its parent has died
(PR_SET_PDEATHSIG; the parent is the thread that started it, a notebook's main thread) and hands it the orphans of its family
(PR_SET_CHILD_SUBREAPER). It ends the whole family then, when it is told to (SIGTERM), and when the command has ended. PARENT is the
parent's process id, by which a guard knows that it died before the kernel was asked to tell.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from labkit.messages import LearnerMessage
from labkit.runner import end_group

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
GRACE_SECONDS = 2.0  # between SIGTERM and SIGKILL; an engine at a breakpoint does not heed SIGTERM
BY_SIGNAL = 128  # added to a signal's number where a program was ended by one, as shells do


def start(command: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None, **streams: Any) -> subprocess.Popen[bytes]:
    """Start a command under a guard. `streams` are stdin, stdout and stderr as `subprocess.Popen` takes them.

    Raises LearnerMessage when the program or the folder is not there.
    """
    if not cwd.is_dir():
        raise LearnerMessage(f"The folder {cwd} is not there.", "Run the lesson's cells from the top.")
    if shutil.which(command[0], path=os.environ.get("PATH")) is None:
        raise LearnerMessage(f"{command[0]} is not installed, or not on PATH.", "Run `labkit doctor`: its row names the install command.")
    guarded = [sys.executable, "-P", "-m", __name__, str(os.getpid()), *command]
    return subprocess.Popen(guarded, cwd=cwd, env={**os.environ, **(env or {})}, start_new_session=True, bufsize=0, **streams)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a guard and its family, and wait until they are gone."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        process.wait(timeout=3 * GRACE_SECONDS)
    except subprocess.TimeoutExpired:  # somebody stopped or killed the guard itself
        end_group(process)  # type: ignore[arg-type]  # which never reads from it


def exit_code(guarded: int) -> int:
    """Return the command's exit code from its guard's, negative for the signal that ended it, as in `subprocess`."""
    return BY_SIGNAL - guarded if guarded > BY_SIGNAL else guarded


def main(parent: int, command: Sequence[str]) -> int:
    """Run a command and end what it leaves behind. Return its exit code, 128 and more for a signal. Without its parent it runs nothing."""
    kernel = ctypes.CDLL(None)
    signal.signal(signal.SIGTERM, _told_to_end)
    kernel.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    kernel.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it died before that line, so no signal will come
        return BY_SIGNAL + signal.SIGTERM
    try:
        code = subprocess.Popen(command).wait()
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _end_family()
    return code if code >= 0 else BY_SIGNAL - code


def _told_to_end(_number: int, _frame: object) -> None:
    raise SystemExit(BY_SIGNAL + signal.SIGTERM)


def _end_family() -> None:
    """What SIGTERM orphans comes to us, so the second round asks again who is there."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        family = psutil.Process().children(recursive=True)
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.send_signal(number)
        psutil.wait_procs(family, timeout=GRACE_SECONDS)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
