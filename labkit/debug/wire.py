"""The way to a pdb: the pipes of a program that was started for it, or a socket; and what came back, kept within bounds."""

import contextlib
import os
import select
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Protocol

from labkit.debug import guard
from labkit.live import ending
from labkit.messages import LearnerMessage, explain_os_error

KEPT = 8_000  # bytes of the beginning and of the end of an answer; what is between is left out
CONNECT_SECONDS = 5.0  # remote_pdb names its port a moment before it listens


class Program(Protocol):
    """What a session ends when it has to."""

    def end(self) -> None:
        """End the program and every process of its family."""


class Wire(ABC):
    """Bytes from and to a program that stands at a prompt."""

    reader: int
    writer: int
    log: IO[bytes] | None = None

    def send(self, text: str) -> None:
        """Send a text; one that nobody reads any more is lost, as the next `receive` will tell."""
        with contextlib.suppress(OSError):
            os.write(self.writer, text.encode())

    def receive(self, seconds: float) -> bytes | None:
        """Return what comes within `seconds`, None when nothing does, b"" when the other end is closed."""
        if not select.select([self.reader], [], [], seconds)[0]:
            return None
        try:
            chunk = os.read(self.reader, 65_536)
        except OSError:  # reset: the other end died
            return b""
        if self.log is not None:
            self.log.write(chunk)
        return chunk

    @abstractmethod
    def end(self) -> None:
        """End the program and every process of its family."""

    def how_it_ended(self) -> str:
        """Say in words how the program ended, "" where this end of the wire cannot know."""
        return ""


class Pipes(Wire):
    """A program of our own. `log` takes everything that it writes. Raises LearnerMessage when it cannot be started."""

    def __init__(self, command: Sequence[object], *, cwd: Path, log: Path, env: Mapping[str, str] | None) -> None:
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            self.log = log.open("wb", buffering=0)
        except OSError as error:
            raise explain_os_error(error, f"writing {log.name}") from None
        self._process = guard.start(
            tuple(map(str, command)), cwd=cwd, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self.reader, self.writer = self._process.stdout.fileno(), self._process.stdin.fileno()

    def end(self) -> None:
        """End the program and every process of its family."""
        guard.end(self._process)
        for stream in (self._process.stdin, self._process.stdout, self.log):
            if stream is not None:
                stream.close()

    def how_it_ended(self) -> str:
        """Say in words how the program ended."""
        return ending(guard.exit_code(self._process.wait()), None)


class Connection(Wire):
    """A program that waits at remote_pdb's port on this machine. Raises LearnerMessage when nobody listens there."""

    def __init__(self, port: int, program: Program) -> None:
        self._program = program
        deadline = time.monotonic() + CONNECT_SECONDS
        while True:
            try:
                self._socket = socket.create_connection(("127.0.0.1", port), timeout=CONNECT_SECONDS)
                break
            except OSError as error:
                if time.monotonic() > deadline:
                    raise LearnerMessage(
                        f"Nobody listens on port {port} of this machine ({error.strerror or error}).",
                        "remote_pdb takes one connection only. Is the program still there, and the port the one that its log names?",
                    ) from None
                time.sleep(0.05)
        self._socket.settimeout(None)
        self.reader = self.writer = self._socket.fileno()

    def end(self) -> None:
        """Hang up, which a program at the prompt takes for `quit`, and end what is left of it."""
        self._socket.close()
        self._program.end()


class Bounded:
    """The beginning and the end of a text that may be long."""

    def __init__(self) -> None:
        self._head, self._tail, self._lost = b"", b"", 0

    def add(self, chunk: bytes) -> None:
        """Take a piece in."""
        room = KEPT - len(self._head)
        self._head, self._tail = self._head + chunk[:room], self._tail + chunk[room:]
        self._lost += max(0, len(self._tail) - KEPT)
        self._tail = self._tail[-KEPT:]

    @property
    def text(self) -> str:
        """What was kept, and a note where something was not."""
        note = f"\n[… {self._lost:,} bytes left out …]\n".encode() if self._lost else b""
        return (self._head + note + self._tail).decode(errors="replace").replace("\r\n", "\n")
