"""cuda-gdb from start to end in one go: a list of commands goes in, a transcript comes out."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from labkit.debug.transcript import Transcript, Turn
from labkit.runner import Run, run

QUIET = (
    "set confirm off",
    "set pagination off",
    "set width 0",
    "set print thread-events off",
    "set print inferior-events off",
    "set breakpoint pending on",
)
MARK = "@@turn"
_MARKED = re.compile(rf"^{MARK} (\d+)\n", re.MULTILINE)


def dialogue(
    debugger: str | Path, commands: Sequence[str], *, log: Path, cwd: Path, setup: Sequence[str] = (), env: Mapping[str, str] | None = None,
    timeout: float = 300.0,
) -> tuple[Run, Transcript]:  # fmt: skip
    """Run cuda-gdb with `setup`, which is not kept, and then `commands`; after `timeout` seconds it and its program are ended.

    A command that fails does not stop those behind it (-ex, unlike a command file). Raises LearnerMessage when there is no such debugger.
    """
    words = [str(debugger), "-nx", "-q", "-batch", *_ex(*QUIET, *setup)]
    for number, command in enumerate(commands):
        words += _ex(f"echo {MARK} {number}\\n", command)
    done = run([*words, *_ex(f"echo {MARK} {len(commands)}\\n")], log=log, cwd=cwd, env=env, timeout=timeout, quiet=True)
    return done, Transcript("cuda-gdb", "(cuda-gdb) ", turns_of(done.output, commands))


def turns_of(output: str, commands: Sequence[str]) -> list[Turn]:
    """Cut what a batch run said into turns, at the marks that stand before each command. Commands that it never reached are left out."""
    parts = _MARKED.split(output)
    said = {int(number): _unpadded(text) for number, text in zip(parts[1::2], parts[2::2], strict=True)}
    return [Turn(command, said[number]) for number, command in enumerate(commands) if number in said]


def _unpadded(text: str) -> str:
    """Tables of cuda-gdb are as wide as their longest line, and C++ names are long."""
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


def _ex(*commands: str) -> list[str]:
    return [word for command in commands for word in ("-ex", command)]
