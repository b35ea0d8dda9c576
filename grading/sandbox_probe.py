"""Try to get out of the sandbox, as many ways as we know, and say what happened: from inside, and from outside where that says more.

`python -m grading sandbox` prints it. An instructor runs it on the machine that grades; the same attempts are this project's tests.
"""

import dataclasses
import os
import platform
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from grading import sandbox_attempts, sandbox_endings
from grading.sandbox import Called, Outcome
from grading.sandbox_outside import LIMITS, NoSandbox, Outside, aimed_at

__all__ = ["NoSandbox", "Probe", "probe", "report"]

_SHORT = dataclasses.replace(LIMITS, wall_seconds=0.3)
_SLEEPERS = ("block_all_signals_and_sleep",)
# Every way in which the system says no. Any other exception is a fault of the attempt, and does not count as held.
STOPPED = {"PermissionError", "FileNotFoundError", "ProcessLookupError", "OSError", "BlockingIOError", "MemoryError", "RuntimeError"}
ATTEMPTS = (
    "read_the_host", "write_outside_tmp", "fill_tmp", "one_big_file", "take_memory", "fork", "thread", "sockets",
    "connect_to_the_grader", "inherited_descriptors", "signal_others", "terminal", "devices", "links", "raise_limits", "set_the_clock",
    "program_in_memory", "chosen_calls", "all_other_calls",
)  # fmt: skip
_REAL, _OVER = ("values:real",), ("ended", "timeout")
# How each of sandbox_endings may come out. Never "unavailable": that would be a grade by hand, for the asking.
ENDINGS = {
    "forge_an_answer_too_many": ("ended",), "forge_a_fault_of_the_grader": ("ended",), "forge_the_signal_of_readiness": ("ended",),
    "close_the_pipe_and_stay": _OVER, "patch_the_runner": ("ended", "values:real", "values:forged"), "ignore_the_signal_for_time": _OVER,
    "block_all_signals_and_sleep": ("timeout",), "fill_memory": _OVER, "overflow_the_stack": ("ended", "values:RecursionError"),
    "read_address_zero": ("ended",), "become_another_program": ("values:confined",), "flood_the_answer": ("too much output",),
    "flood_the_streams": _REAL, "leave_work_for_later": (*_REAL, "values:PermissionError", "ended"),
}  # fmt: skip
if platform.machine() == "x86_64":
    ENDINGS |= {"call_the_other_numbering": ("ended:159",), "call_as_32_bits": ("ended:159",)}  # 128 + SIGSYS


@dataclass(frozen=True)
class Probe:
    """One attempt: what was tried, what happened, and whether the sandbox held."""

    name: str
    tried: str
    happened: str
    held: bool


def probe(bwrap: Path | None = None) -> list[Probe]:
    """Make all the attempts, about 10 s. Raises NoSandbox where nothing can be run."""
    with aimed_at(bwrap) as outside:
        return [*from_inside(outside), *endings(outside), grader_killed(outside), *seen_from_outside(outside)]


def report(probes: list[Probe]) -> str:
    """Return a table of the attempts, those that got out first."""
    rows = [f"{'held' if one.held else 'GOT OUT':8} {one.name:30} {one.happened}" for one in sorted(probes, key=lambda one: one.held)]
    out = sum(not one.held for one in probes)
    return "\n".join([*rows, f"{len(probes)} attempts, {out} got out"])


def from_inside(outside: Outside) -> Iterator[Probe]:
    """Make the attempts that leave the process as it was, all in one sandbox."""
    outcome = outside.run(sandbox_attempts, list(ATTEMPTS), LIMITS)
    calls = outcome.calls or (Called(value=f"the sandbox ended: {outcome.state} {outcome.detail}"),) * len(ATTEMPTS)
    for name, call in zip(ATTEMPTS, calls, strict=True):
        held = call.error in STOPPED or (not call.error and call.value == "")
        happened = f"{call.error}: {call.message}" if call.error else str(call.value or "nothing got out")
        yield Probe(name, _told(sandbox_attempts, name), happened, held)


def endings(outside: Outside) -> Iterator[Probe]:
    """Make the attempts that end the process or forge its answer, each in a sandbox of its own, which must then be gone."""
    for name, expected in ENDINGS.items():
        limits = _SHORT if name in _SLEEPERS else LIMITS
        outcome = outside.run(sandbox_endings, [name], limits)
        came, gone = _came_of(outcome), outside.gone()
        held = any(came == one or came.startswith(one + ":") for one in expected) and gone
        yield Probe(name, _told(sandbox_endings, name), came + ("" if gone else ", and a process is left"), held)


def grader_killed(outside: Outside) -> Probe:
    """Kill the grader while a function computes."""
    if (grader := os.fork()) == 0:
        try:
            outside.run(sandbox_endings, ["block_all_signals_and_sleep"], dataclasses.replace(LIMITS, wall_seconds=60.0))
        finally:
            os._exit(0)
    started = outside.wait_for_processes()
    os.kill(grader, signal.SIGKILL)
    os.waitpid(grader, 0)
    gone = outside.gone()
    happened = f"{len(started)} processes of the sandbox, " + ("gone with the grader" if gone else "and one outlived the grader")
    return Probe("outlive_the_grader", "Go on computing when the grader is killed.", happened, len(started) >= 2 and gone)


def seen_from_outside(outside: Outside) -> Iterator[Probe]:
    """Look whether anything arrived."""
    reached = [listener.getsockname() for listener in outside.listeners if _was_reached(listener)]
    yield Probe("listeners", "Reach the grader's listeners.", f"connections: {reached or 'none'}", not reached)
    intact = outside.sentinel.read_text() == "untouched" and len(list(outside.sentinel.parent.iterdir())) == 2
    yield Probe("gradebook", "Change the grader's file.", "as it was" if intact else "changed", intact)
    yield Probe("processes", "Leave a process.", "none is left" if (gone := outside.gone()) else "one is left", gone)


def _was_reached(listener: socket.socket) -> bool:
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def _came_of(outcome: Outcome) -> str:
    if outcome.state == "values":
        return f"values:{outcome.calls[0].error or outcome.calls[0].value}"
    code = outcome.detail.partition("(code ")[2].partition(")")[0]
    return f"{outcome.state}:{code}" if code else outcome.state


def _told(module: ModuleType, name: str) -> str:
    return str(getattr(module, name).__doc__)
