"""The one program that runs a learner's function. It runs inside the sandbox only, under a plain Python, and imports nothing of ours.

Standard input held `request`: {"pipe", "source", "function", "calls", "limits", "top_level", "tmp_bytes"}. It writes "ready" when the walls
stand, or which one does not; then one JSON object. `json` and `typing` are not imported: they would cost more than all the rest.
"""

# pathlib is not imported either, and /tmp is the sandbox's own:
# ruff: noqa: PTH208, S108

import os
import resource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def restrain(limits: "dict[str, float]") -> None:
    """Put the limits on this process; they cannot be raised again."""
    pairs = (
        (resource.RLIMIT_AS, limits["memory_bytes"]),
        (resource.RLIMIT_FSIZE, limits["file_bytes"]),
        (resource.RLIMIT_NPROC, 1),
        (resource.RLIMIT_NOFILE, 32),
        (resource.RLIMIT_CORE, 0),
    )
    seconds = int(limits["cpu_seconds"])
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))  # SIGXCPU first, which the grader can tell from other ends
    for what, value in pairs:
        hard = resource.getrlimit(what)[1]
        allowed = int(value if hard == resource.RLIM_INFINITY else min(value, hard))
        resource.setrlimit(what, (allowed, allowed))


def refused(attempt: "Callable[[], object]") -> bool:
    """Whether the system says no."""
    try:
        attempt()
    except OSError:
        return True
    return False


def missing_wall(request: "dict[str, Any]") -> str:
    """Return what is missing of the sandbox, as seen from inside, or "". bwrap's word is not enough: this runs before the learner's code."""
    tmp = os.statvfs("/tmp")
    stands = {
        "system-call filter": refused(lambda: os.getpgid(0)) and refused(os.pipe) and refused(lambda: os.pidfd_open(os.getpid())),
        "user namespace": (os.getuid(), os.getgid()) == (65534, 65534),
        "process namespace": os.getppid() == 1,
        "host name": os.uname().nodename == "sandbox",
        "empty root": set(os.listdir("/")) <= set(request["top_level"]),
        "read-only root": not os.access("/", os.W_OK),
        "bounded /tmp": tmp.f_blocks * tmp.f_frsize <= request["tmp_bytes"] and not os.listdir("/tmp"),
    }
    return ", ".join(wall for wall, there in stands.items() if not there)


def silence() -> None:
    """Give the learner's code no stream of ours, and no environment."""
    null = os.open("/dev/null", os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    os.close(null)
    os.environ.clear()


def as_json() -> "Callable[[Any], str]":
    """Return an encoder: the C part of the json module by itself, which starts in a tenth of the time, or else the module."""
    try:
        from _json import encode_basestring_ascii, make_encoder

        def no_json(value: object) -> None:
            raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")

        def encoded(value: object) -> str:
            return "".join(make_encoder({}, no_json, encode_basestring_ascii, None, ": ", ", ", False, False, False)(value, 0))

        if encoded({"a": [1.5, None, True, 'é"']}) == '{"a": [1.5, null, true, "\\u00e9\\""]}':
            return encoded
    except (ImportError, TypeError):  # another Python, another private part
        pass
    import json

    return lambda value: json.dumps(value, allow_nan=False)


def described(error: BaseException) -> "dict[str, str]":
    """Return an exception as plain data; its own __str__ may fail too."""
    try:
        message = str(error)[:500]
    except BaseException:
        message = ""
    return {"error": type(error).__name__[:80], "message": message}


def called(function: "Callable[..., Any]", arguments: "list[Any]", encoded: "Callable[[Any], str]") -> "dict[str, str]":
    """Call the function once. SystemExit and KeyboardInterrupt are the learner's own, so all exceptions count."""
    try:
        return {"value": encoded(function(*arguments))}
    except BaseException as error:
        return described(error)


def outcome(request: "dict[str, Any]", encoded: "Callable[[Any], str]") -> "dict[str, Any]":
    """Define the learner's function and call it with each list of arguments."""
    names: dict[str, Any] = {"__name__": "solution"}
    try:
        exec(compile(request["source"], "<your solution>", "exec"), names)  # noqa: S102 - this is what the sandbox is for
    except BaseException as error:
        return {"problem": described(error)}
    function = names.get(request["function"])
    if not callable(function):
        return {"problem": {"error": "NameError", "message": "there is no function " + request["function"]}}
    return {"results": [called(function, arguments, encoded) for arguments in request["calls"]]}


def main(request: "dict[str, Any]") -> None:
    """Look whether the walls stand, lock the door behind us, run, answer."""
    pipe, missing = request["pipe"], missing_wall(request)
    if missing:
        os.write(pipe, f"not sandboxed: no {missing}".encode())
        os._exit(1)
    silence()
    restrain(request["limits"])
    encoded = as_json()
    os.write(pipe, b"ready\n")
    reply = encoded(outcome(request, encoded)).encode()
    while reply:
        reply = reply[os.write(pipe, reply) :]
    os._exit(0)  # no atexit handlers or destructors of the learner's
