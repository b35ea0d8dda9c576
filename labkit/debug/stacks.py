"""What the threads of a running Python process are doing: asked of py-spy, or of the process itself where nobody may look into it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from labkit.debug.transcript import MAX_FRAMES, Frame
from labkit.messages import LearnerMessage
from labkit.redact import redact
from labkit.system import System

TIMEOUT = 30.0  # seconds; py-spy needs a few hundredths
TICK_SECONDS = 0.05
MAX_THREADS = 40  # of a process, kept in the evidence
MAIN = "MainThread"
_THREAD = re.compile(r"(?:Current thread|Thread) 0x[0-9a-f]+(?: \[([^\]]*)\])? \(most recent call first\):")
_FRAME = re.compile(r'  File "([^"]*)", line (\d{1,9}) in (.+)')
_PACKAGES = re.compile(r"^.*/(?:site-packages|dist-packages|lib/python3\.\d+)/")


@dataclass(frozen=True)
class Thread:
    """One thread and its Python frames, innermost first."""

    name: str
    frames: tuple[Frame, ...]


def py_spy_dump(pid: int) -> list[Thread]:
    """Return the threads of a process as `py-spy dump` sees them, the main thread first.

    Raises LearnerMessage without py-spy, for a process that is gone, and where looking into it is forbidden.
    """
    program = System().which("py-spy") or "py-spy"
    try:
        done = subprocess.run([program, "dump", "--json", "--pid", str(pid)], capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except FileNotFoundError:
        raise LearnerMessage("py-spy is not installed, or not on PATH.", "Run `make course` again: it brings py-spy.") from None
    except subprocess.TimeoutExpired:
        raise LearnerMessage(
            f"py-spy had no answer about process {pid} after {TIMEOUT:.0f} s.", "Is the machine busy? Try again."
        ) from None
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1][:200]
        raise LearnerMessage(
            f"py-spy cannot look into process {pid}: {said}", "Is it still there? `labkit doctor` says whether you may attach."
        )
    return parse_py_spy(done.stdout)


def parse_py_spy(text: str) -> list[Thread]:
    """Return the threads of `py-spy dump --json`. Raises LearnerMessage for anything else."""
    try:
        threads: list[dict[str, Any]] = list(json.loads(text)) or [{}]  # a process has at least one
        found = [
            Thread(
                str(thread["thread_name"] or ""), tuple(Frame(str(f["name"]), str(f["filename"]), int(f["line"])) for f in thread["frames"])
            )
            for thread in threads
        ]
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
        raise LearnerMessage(f"py-spy gave no dump that can be read ({error}).", "Run `py-spy --version`: the course needs 0.4.") from None
    return sorted(found, key=lambda thread: thread.name != MAIN)


def signalled_dump(pid: int, file: Path, timeout: float = 5.0) -> list[Thread]:
    """Send SIGUSR1 to a process that has `faulthandler` registered for it, and return what it writes to `file`.

    Needs no right but that to send signals. Raises LearnerMessage when the process does not listen to the signal (it would die of it),
    or writes nothing.
    """
    if not catches(pid, signal.SIGUSR1):
        raise LearnerMessage(f"Process {pid} has no faulthandler on SIGUSR1; the signal would end it.", "Start the lesson's script again.")
    written = _size(file)
    os.kill(pid, signal.SIGUSR1)
    deadline, seen = time.monotonic() + timeout, b""
    while time.monotonic() < deadline:
        time.sleep(TICK_SECONDS)
        before, seen = seen, file.read_bytes()[written:] if _size(file) > written else b""
        if b"Current thread" in seen and seen == before:  # it has come to its end
            return parse_faulthandler(seen.decode(errors="replace"))
    raise LearnerMessage(f"Process {pid} wrote nothing to {file.name}.", "Is it still there? Start the lesson's script again.")


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0


def parse_faulthandler(text: str) -> list[Thread]:
    """Return the threads of a dump by `faulthandler`, the main thread first: it is the oldest, and written last."""
    found: list[tuple[str, list[Frame]]] = []
    for line in text.splitlines():
        if thread := _THREAD.fullmatch(line):
            found.append((thread.group(1) or "", []))
        elif found and (frame := _FRAME.fullmatch(line)):
            found[-1][1].append(Frame(frame.group(3), frame.group(1), int(frame.group(2))))
    named = [Thread(MAIN if i == len(found) - 1 else name or f"thread {i}", tuple(frames)) for i, (name, frames) in enumerate(found)]
    return named[::-1]


def catches(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal, by the mask in /proc/PID/status."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    mask = re.search(r"^SigCgt:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return mask is not None and bool(int(mask.group(1), 16) >> (number - 1) & 1)


def short_path(path: str) -> str:
    """Return a file's path without the folder that packages or Python's own modules are in: vllm/v1/engine/core.py."""
    roots = [root for root in sys.path if root and path.startswith(f"{root.rstrip('/')}/")]  # PYTHONPATH, and editable installs
    return _PACKAGES.sub("", path) if not roots else path[len(max(roots, key=len).rstrip("/")) + 1 :]


def as_text(title: str, threads: Sequence[Thread], frames: int = 12) -> str:
    """Return the main thread's frames as a text, and how many other threads there are."""
    main = threads[0].frames if threads else ()
    names = [
        frame.function.rpartition("<locals>.")[2] for frame in main[:frames]
    ]  # `outer.<locals>.inner` is long, and its place says the rest
    width = max(map(len, names), default=0)
    lines = [f"    {name:<{width}} {short_path(frame.file)}:{frame.line}" for name, frame in zip(names, main, strict=False)]
    more = [f"    … {len(main) - frames} more frames"] if len(main) > frames else []
    return "\n".join([f"{title}: {len(threads)} threads; {MAIN}, innermost first", *lines, *more])


def as_facts(threads: Sequence[Thread]) -> list[JsonValue]:
    """Return threads as a record keeps them: name, and frames as [function, file, line]."""
    return [{"name": thread.name[:80], "frames": [_fact(f) for f in thread.frames[:MAX_FRAMES]]} for thread in threads[:MAX_THREADS]]


def _fact(frame: Frame) -> JsonValue:
    """A frame as a record keeps it. Redacted before it is cut: half of a home folder's path would not be known as one."""
    return [frame.function[:160], redact(short_path(frame.file))[-160:], frame.line]
