"""Run a real command: live tail in the notebook, full log in a file, a timeout that leaves no process behind."""

import contextlib
import os
import queue
import shlex
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil

from labkit.live import LiveTail
from labkit.messages import LearnerMessage, explain_os_error

KEPT_LINES = 20_000
GRACE_SECONDS = 5.0  # between SIGTERM and SIGKILL


@dataclass(frozen=True)
class Run:
    """A finished command. `output` is standard output and error together, the last 20,000 lines of it; `log` holds all on disk.

    `exit_code` is what the process returned, negative for the signal that ended it, as in `subprocess`.
    """

    command: tuple[str, ...]
    exit_code: int
    seconds: float
    output: str = field(repr=False)
    log: Path
    timed_out: bool = False

    def _ipython_display_(self) -> None:
        """A run as a cell's last value shows nothing: its output is in the cell already."""

    @property
    def ok(self) -> bool:
        """Whether the command ended with exit code 0."""
        return self.exit_code == 0

    @property
    def last_line(self) -> str:
        """The last line of the output, empty when there is none."""
        return (self.output.strip().splitlines() or [""])[-1]


def run(
    command: Sequence[str | Path],
    *,
    log: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 600.0,
    quiet: bool = False,
) -> Run:
    """Run `command` without a shell and wait for it.

    `env` is added to this process's environment. After `timeout` seconds, or when the cell is interrupted, the command and
    all its children are ended. Raises LearnerMessage when the program does not exist, the log cannot be written, or the
    learner interrupts.
    """
    arguments = tuple(str(part) for part in command)
    tail = LiveTail(shlex.join(arguments), enabled=not quiet)
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w", buffering=1) as stream:  # by lines: whoever looks into the log of a hanging command sees its last one
            return _supervise(arguments, stream, log, cwd, {**os.environ, **(env or {})}, timeout, tail)
    except OSError as error:
        raise explain_os_error(error, f"writing {log.name}") from None


def _supervise(
    arguments: tuple[str, ...], stream: IO[str], log: Path, cwd: Path | None, env: dict[str, str], timeout: float, tail: LiveTail
) -> Run:
    process = _start(arguments, cwd, env)
    began, kept, timed_out = time.monotonic(), deque[str](maxlen=KEPT_LINES), False
    try:
        for line in _lines(process, began + timeout):
            if line:
                stream.write(line)
                kept.append(line)
            tail.update(kept, time.monotonic() - began)
        timed_out = process.poll() is None
    except KeyboardInterrupt:
        raise LearnerMessage("Interrupted; the command and its children were ended.", "Run this cell again to start it anew.") from None
    finally:
        end_group(process)
    seconds = time.monotonic() - began
    tail.close(kept, seconds, process.returncode, timeout if timed_out else None, log)
    return Run(arguments, process.returncode, seconds, "".join(kept), log, timed_out)


def _start(arguments: tuple[str, ...], cwd: Path | None, env: dict[str, str]) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            arguments, cwd=cwd, env=env, text=True, errors="replace", stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    except FileNotFoundError:
        if cwd is not None and not cwd.is_dir():
            raise LearnerMessage(f"The folder {cwd} is not there.", "Run the lesson's cells from the top.") from None
        raise LearnerMessage(
            f"{arguments[0]} is not installed, or not on PATH.", "Run `labkit doctor`: its row names the install command."
        ) from None
    except PermissionError:
        raise LearnerMessage(f"{arguments[0]} may not be executed.", "Is it a program? `ls -l` shows its permissions.") from None


def _lines(process: subprocess.Popen[str], deadline: float) -> Iterator[str]:
    """Yield lines as they come, and an empty string twice a second while none comes, until the output ends or time is up."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=_pump, args=(process, lines), daemon=True).start()
    while time.monotonic() < deadline:
        try:
            line = lines.get(timeout=0.5)
        except queue.Empty:
            if process.poll() is not None:  # ended, but a grandchild still holds the pipe open
                return
            yield ""
            continue
        if line is None:
            process.wait(timeout=max(0.1, deadline - time.monotonic()))
            return
        yield line


def _pump(process: subprocess.Popen[str], lines: "queue.SimpleQueue[str | None]") -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    lines.put(None)


def end_group(process: subprocess.Popen[str]) -> None:
    """End a process and all its descendants, those in sessions of their own included: SIGTERM, then SIGKILL after a grace period."""
    family = _descendants(process)
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.send_signal(number)
        _, family = psutil.wait_procs(family, timeout=GRACE_SECONDS)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=GRACE_SECONDS)
    process.wait()


def _descendants(process: subprocess.Popen[str]) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
