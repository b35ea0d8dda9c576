"""A gdb process that speaks MI, its interface for programs. pygdbmi reads the messages; this starts the process, sends, waits and ends."""

import contextlib
import importlib.util
import io
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from labkit.debug import guard
from labkit.messages import LearnerMessage

Message = dict[str, Any]  # of pygdbmi: "type" ("result", "notify", "console", ...), "message", "payload", "token"
TICK_SECONDS = 0.5
EXIT_SECONDS = 10.0  # to detach from a large program, or to end one


class Ended(Exception):
    """The debugger process is gone."""


class Mi:
    """One gdb. Raises LearnerMessage when the program is not there, or pygdbmi is not."""

    def __init__(self, command: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> None:
        _check_parser()  # without it nobody would read what gdb says, and every command would wait for its time limit
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        self._guard = guard.start(command, cwd=cwd, env={**env, "SHELL": "/bin/sh"}, **streams)
        self._messages: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._token = 0
        threading.Thread(target=self._pump, daemon=True).start()

    def _pump(self) -> None:
        from pygdbmi.gdbmiparser import parse_response, response_is_finished

        assert isinstance(self._guard.stdout, io.RawIOBase)
        for line in io.TextIOWrapper(io.BufferedReader(self._guard.stdout), errors="replace"):
            text = line.rstrip("\n")
            if text and not response_is_finished(text):
                self._messages.put(parse_response(text))
        self._messages.put(None)

    def send(self, command: str) -> int:
        """Send an MI command and return the token that its result will carry. Raises Ended."""
        self._token += 1
        try:
            assert self._guard.stdin is not None
            self._guard.stdin.write(f"{self._token}{command}\n".encode())
        except (OSError, ValueError):  # a broken pipe, or closed
            raise Ended from None
        return self._token

    def receive(self, deadline: float) -> Message | None:
        """Return the next message, None when there is none within half a second. Raises TimeoutError at `deadline`
        (of time.monotonic), and Ended."""
        if time.monotonic() >= deadline:
            raise TimeoutError
        try:
            message = self._messages.get(timeout=TICK_SECONDS)
        except queue.Empty:
            return None
        if message is None:
            self._messages.put(None)  # for whoever asks next
            raise Ended
        return message

    def interrupt(self) -> None:
        """Do what Ctrl-C does in a terminal: stop the program that is being debugged."""
        with contextlib.suppress(psutil.NoSuchProcess):
            for debugger in psutil.Process(self._guard.pid).children():
                debugger.send_signal(signal.SIGINT)

    def end(self, politely: bool = True) -> None:
        """End gdb and every process that it started. A program that it is attached to goes on; `politely` lets gdb detach by itself."""
        if politely:
            with contextlib.suppress(Ended, subprocess.TimeoutExpired):
                self.send("-gdb-exit")
                self._guard.wait(timeout=EXIT_SECONDS)
        guard.end(self._guard)


def _check_parser() -> None:
    if importlib.util.find_spec("pygdbmi") is None:
        raise LearnerMessage("pygdbmi is not installed: it reads what gdb says.", "`pip install pygdbmi`, then run this cell again.")
