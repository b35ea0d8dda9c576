"""Run a target on one input after the other: bounded, measured, and with what it did wrong kept in a folder."""

import contextlib
import hashlib
import json
import logging
import mmap
import random
import re
import resource
import signal
import time
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from tools.fuzz_targets import Target

SLOW_SECONDS, MOST_MEMORY = 2.0, 300  # of CPU time; MiB that the process may grow by
HARD_SECONDS = 20  # after this the run is interrupted
MAX_POOL = 3000
MOST_ADDRESSES = 6 << 30  # bytes of address space: the machine has other work
MOST_BYTES = 16 << 20  # of one input
KIB = 1024


class TookTooLong(BaseException):
    """Raised in a run whose time is up; no `except Exception` of a parser holds it back."""


@dataclass
class Tally:
    """What a target's runs came to. `crashes` are kept by place; `slowest` is in CPU seconds, `peak` in MiB above the start.

    `inside` is the CPU time in the target itself, `cpu` with the making and choosing of inputs; both in seconds.
    """

    target: str
    folder: Path
    seed: int
    executions: int = 0
    cpu: float = 0.0
    inside: float = 0.0
    slowest: float = 0.0
    slowest_size: int = 0
    peak: int = 0
    outcomes: set[str] = field(default_factory=set)
    crashes: dict[str, str] = field(default_factory=dict)

    def problem(self, kind: str, data: bytes, what: str) -> None:
        """Keep an input that did something wrong, once for each kind."""
        if kind not in self.crashes:
            name = f"{self.target}-{hashlib.sha256(data).hexdigest()[:12]}"
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_bytes(data)
            (self.folder / f"{name}.txt").write_text(f"{kind}\nseed {self.seed}, execution {self.executions}\n\n{what}\n")
            self.crashes[kind] = name

    def as_dict(self) -> dict[str, Any]:
        """Return the figures for a table."""
        return {
            "target": self.target, "executions": self.executions, "cpu_minutes": round(self.cpu / 60, 2),
            "in_target": round(self.inside / 60, 2), "outcomes": len(self.outcomes),
            "slowest_s": round(self.slowest, 3), "slowest_bytes": self.slowest_size, "peak_mib": self.peak, "problems": self.crashes,
        }  # fmt: skip


class Runner:
    """Runs one target's inputs and keeps its tally. `patience` stretches the time limits, for instrumented code."""

    def __init__(self, target: Target, tally: Tally, patience: float = 1.0) -> None:
        self.target, self.tally, self.patience = target, tally, patience
        self._began = cpu()
        self._start, self._now = _peak(), _shared(tally.folder / f"{tally.target}.now")
        signal.signal(signal.SIGPROF, _stop)

    def __call__(self, data: bytes) -> str:
        """Run one input and return its outcome's shape."""
        tally, began, before = self.tally, cpu(), _peak()
        tally.executions += 1
        self._now[: 8 + len(data)] = len(data).to_bytes(8) + data  # should the process die, its input is in this file
        outcome = self._bounded(data)
        took = cpu() - began
        tally.inside += took
        tally.cpu = cpu() - self._began
        if took > tally.slowest:
            tally.slowest, tally.slowest_size = took, len(data)
        if took > SLOW_SECONDS * self.patience:
            tally.problem(f"slow: {outcome[:60]}", data, f"{took:.1f} CPU seconds")
        grew = _peak() - self._start
        tally.peak = max(tally.peak, grew)
        if grew > MOST_MEMORY and _peak() > before + 50:
            tally.problem(f"memory: {outcome[:60]}", data, f"{grew} MiB")
        tally.outcomes.add(outcome)
        return outcome

    def _bounded(self, data: bytes) -> str:
        try:
            signal.setitimer(signal.ITIMER_PROF, HARD_SECONDS * self.patience)
            return shape(self.target.run(data))
        except self.target.allowed as error:
            return shape(f"{type(error).__name__}: {error}")
        except (Exception, TookTooLong) as error:
            kind = f"{type(error).__name__} at {_place(error.__traceback__)}"
            self.tally.problem(kind, data, "".join(traceback.format_exception(error))[-6000:])
            return kind
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)


def plain_loop(runner: Runner, seeds: list[bytes], seconds: float, draw: random.Random) -> None:
    """Change inputs and run them until the CPU time is spent. An input with an outcome of a new shape becomes a seed."""
    pool, began = list(seeds), cpu()
    while cpu() - began < seconds:
        data = runner.target.mutate(draw, draw.choice(pool))
        known = len(runner.tally.outcomes)
        runner(data)
        if len(runner.tally.outcomes) > known and len(pool) < MAX_POOL:
            pool.append(data)


def limited() -> None:
    """Keep this process from hurting the machine and from filling the screen."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_ADDRESSES, resource.getrlimit(resource.RLIMIT_AS)[1]))
    logging.disable()
    warnings.simplefilter("ignore")  # dateutil's, of time zones that it does not know


def shape(text: str) -> str:
    """Return an outcome without its numbers and quoted parts: what stays tells kinds of outcomes apart."""
    return re.sub(r"\d+", "#", re.sub(r"'[^']*'|\"[^\"]*\"", "''", text[:600]))[:160]


def cpu() -> float:
    """Return the CPU seconds of this process and of what it has waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def written(tally: Tally, path: Path) -> None:
    """Write the figures so far, for whoever waits for them."""
    with contextlib.suppress(OSError):
        path.write_text(json.dumps(tally.as_dict()))


def _shared(path: Path) -> mmap.mmap:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w+b") as file:
        file.truncate(MOST_BYTES)
        return mmap.mmap(file.fileno(), MOST_BYTES)


def last_input(path: Path) -> bytes:
    """Return the input that a process was running when it died."""
    raw = path.read_bytes()
    return raw[8 : 8 + int.from_bytes(raw[:8])]


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // KIB


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise TookTooLong


def _place(trace: TracebackType | None) -> str:
    """Return the innermost line of ours that a traceback names."""
    lines = [f"{Path(frame.filename).name}:{frame.name}:{frame.lineno}" for frame in _ours(trace)]
    return lines[-1] if lines else "?"


def _ours(trace: TracebackType | None) -> Iterator[traceback.FrameSummary]:
    return (frame for frame in traceback.extract_tb(trace) if "/labkit/" in frame.filename or "/grading/" in frame.filename)
