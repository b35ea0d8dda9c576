"""Run one long command of the set-up: output to a log, one counter line to the screen, and words for what can go wrong."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

TAIL = 12  # lines of the log shown on failure,
WIDTH = 140  # and how much of each: pip lists all packages in one line
QUIET = 15.0  # seconds between two lines where the screen is a log file


class StepFailed(Exception):
    """A step that cannot be finished; the text is for the learner and ends in a next step."""


@dataclass(frozen=True)
class Trouble:
    """A failure that pip's output gives away: how, what it means, what to do."""

    name: str
    pattern: str
    meaning: str
    next_step: str


# The order counts: without a network pip ends on "No matching distribution", as it does for a version that does not exist.
TROUBLES = (
    Trouble(
        "disk",
        r"No space left on device|Errno 28|Disk quota exceeded",
        "the disk is full",
        "free some space (`df -h .`; `pip cache purge`)",
    ),
    Trouble(
        "certificate",
        r"CERTIFICATE_VERIFY_FAILED|SSLError",
        "the package index is there, but its certificate is not trusted (a proxy in between?)",
        "tell pip which certificate to trust: `pip config set global.cert FILE`",
    ),
    Trouble(
        "network",
        r"NewConnectionError|Failed to establish a new connection|name resolution|NameResolutionError|Network is unreachable"
        r"|ConnectTimeout|ReadTimeout|Read timed out|ProxyError|Connection (?:aborted|reset|refused)|IncompleteRead",
        "the package index does not answer",
        "check the network, or name your mirror: `pip config set global.index-url ...`",
    ),
    Trouble(
        "hash",
        r"DO NOT MATCH THE HASHES",
        "a downloaded file is not the one that was locked: a broken download, or a mirror that changes files",
        "`pip cache purge`; if it happens again, ask who runs your mirror",
    ),
    Trouble(
        "torch",
        r"No matching distribution found for torch==",
        "no package index that pip knows has this torch for this Python",
        "use Python 3.11 or 3.12 (`make setup PYTHON=python3.12`), or give pip an index that has PyTorch's CPU wheels",
    ),
    Trouble(
        "version",
        r"No matching distribution found for",
        "the package index lacks a locked version",
        "if you use a mirror, let it catch up or use another: `pip config list` shows which",
    ),
    Trouble("rights", r"Permission denied|Errno 13", "a file cannot be written", "see who owns the clone: `ls -ld . .venv`"),
)
KILLED = Trouble("killed", "", "the operating system ended it, as it does when memory runs out", "close other programs (`free -h`)")
UNKNOWN = Trouble("unknown", "", "this failure is not one the set-up knows", "read the log's last lines")


def recognise(text: str, code: int) -> Trouble:
    """What went wrong, judged by the command's output and exit code."""
    for trouble in TROUBLES:
        if re.search(trouble.pattern, text):
            return trouble
    return KILLED if code in (-9, 137) else UNKNOWN


def explain(title: str, text: str, code: int, log: Path) -> str:
    """The failure as the learner reads it: the end of the log, what it means, what to do."""
    trouble = recognise(text, code)
    tail = "\n".join(f"    {line[:WIDTH]}" for line in text.rstrip().splitlines()[-TAIL:])
    return f"{title}: stopped with exit code {code}; {trouble.meaning}.\n{tail}\nNext: {trouble.next_step}, then run the same command again. Log: {log}"


@dataclass
class Meter:
    """One line that changes in place on a terminal, and a line now and then where output goes to a file."""

    started: float = field(default_factory=time.monotonic)
    _said: float = field(default_factory=time.monotonic)

    def show(self, text: str) -> None:
        """Show where a command is."""
        line = f"      {text}, {time.monotonic() - self.started:.0f} s"
        if sys.stdout.isatty():
            print(f"\r{line:<78}", end="", flush=True)
        elif time.monotonic() - self._said >= QUIET:
            self._said = time.monotonic()
            print(line, flush=True)

    def clear(self) -> None:
        """Leave the line to whoever prints next."""
        if sys.stdout.isatty():
            print(f"\r{'':<78}\r", end="", flush=True)


def _environment() -> dict[str, str]:
    """The learner's own, so that their mirror and proxy count; but `--user` from a configuration makes pip fail in a venv."""
    fixed = {"PYTHONUNBUFFERED": "1", "PIP_USER": "0", "PIP_NO_INPUT": "1", "PIP_PROGRESS_BAR": "off", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return {**{name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH")}, **fixed}


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait(process: subprocess.Popen[bytes], tick: Callable[[], None]) -> int:
    """Wait for a command, showing where it is; end it when the learner presses Ctrl-C."""
    try:
        while process.poll() is None:
            tick()
            time.sleep(0.2)
    except BaseException:
        _end(process)
        raise
    return process.returncode


def run(command: list[str], log: Path, state: Callable[[str], str], keep_open: int) -> tuple[int, str]:
    """Run a command with its output appended to the log: its exit code and what it printed.

    `state` puts the output so far into a few words. `keep_open` is the set-up's lock: the command holds it too, so that a
    second set-up waits for a command that outlived a killed first one.
    """
    with log.open("ab") as out:
        out.write(f"\n$ {' '.join(command)}\n".encode())
        out.flush()
        begin = out.tell()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=_environment(), pass_fds=(keep_open,)
        )

        def printed() -> str:
            return log.read_bytes()[begin:].decode(errors="replace")

        meter = Meter()
        try:
            code = _wait(process, lambda: meter.show(state(printed())))
        finally:
            meter.clear()
    return code, printed()
