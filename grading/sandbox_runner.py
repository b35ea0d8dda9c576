"""The one program that runs a learner's function. It runs inside the sandbox only, under a plain Python, and imports nothing of ours.

argv[1] is the pipe for results; standard input holds {"source", "function", "calls", "limits"}. It writes "ready", then one JSON object.
"""

import json
import os
import resource
import sys
from collections.abc import Callable
from typing import Any


def restrain(limits: dict[str, float]) -> None:
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


def silence() -> None:
    """Give the learner's code no stream of ours."""
    null = os.open("/dev/null", os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)


def described(error: BaseException) -> dict[str, str]:
    """Return an exception as plain data; its own __str__ may fail too."""
    try:
        message = str(error)[:500]
    except BaseException:
        message = ""
    return {"error": type(error).__name__[:80], "message": message}


def called(function: Callable[..., Any], arguments: list[Any]) -> dict[str, str]:
    """Call the function once. SystemExit and KeyboardInterrupt are the learner's own, so all exceptions count."""
    try:
        return {"value": json.dumps(function(*arguments), allow_nan=False)}
    except BaseException as error:
        return described(error)


def outcome(request: dict[str, Any]) -> dict[str, Any]:
    """Define the learner's function and call it with each list of arguments."""
    names: dict[str, Any] = {"__name__": "solution"}
    try:
        exec(compile(request["source"], "<your solution>", "exec"), names)  # noqa: S102 - this is what the sandbox is for
    except BaseException as error:
        return {"problem": described(error)}
    function = names.get(request["function"])
    if not callable(function):
        return {"problem": {"error": "NameError", "message": "there is no function " + request["function"]}}
    return {"results": [called(function, arguments) for arguments in request["calls"]]}


def main() -> None:
    """Read the request, lock the door behind us, run, answer."""
    pipe, request = int(sys.argv[1]), json.load(sys.stdin)
    silence()
    restrain(request["limits"])
    os.write(pipe, b"ready\n")
    reply = json.dumps(outcome(request)).encode()
    while reply:
        reply = reply[os.write(pipe, reply) :]
    os._exit(0)  # no atexit handlers or destructors of the learner's


if __name__ == "__main__":
    main()
