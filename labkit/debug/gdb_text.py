"""What goes into gdb and what comes out of it, as text."""

import re
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

SHOWN_WIDTH, SHOWN_END = 180, 70  # characters of a line in the notebook; names of C++ templates are longer than any screen
TEMPLATE = re.compile(r"(?<=_kernel)<[^<>]{20,}>")  # a kernel's template arguments: they fill a screen
CALL = re.compile(
    r"(?<=_kernel<…>)\((?:,args=|\w+=).+\)$"
)  # the arguments in `info cuda kernels`; where cuda-gdb speaks MI it writes MI there
MORE = "(More stack frames follow...)"
OPENERS = ("commands", "define", "document", "python", "if", "while")  # they take lines until `end`


def commands_in(text: str) -> list[str]:
    """Return a cell's commands: comments and empty lines left out, a block up to its `end` as one command of several lines."""
    found, block, depth = list[str](), list[str](), 0
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        block.append(line)
        depth += (words[0] in OPENERS and not (words[0] == "python" and len(words) > 1)) - (words[0] == "end")
        if depth <= 0:
            found.append("\n".join(block))
            block, depth = [], 0
    return [*found, *(["\n".join([*block, "end"])] if block else [])]


def arguments(program: Sequence[object], log: Path) -> str:
    """Return the gdb command that gives a program its arguments and sends its output into a file."""
    return f"set args {shlex.join(map(str, program))} > {shlex.quote(str(log))} 2>&1"


def quoted(text: str) -> str:
    """Return a text as an MI argument."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def shown(dialogue: str) -> str:
    """Return a dialogue as the notebook shows it: each line clipped, a warning that repeats once, with how often it came."""
    lines = [clipped(line) for line in dialogue.rstrip().splitlines() if line != MORE]
    often = Counter(line for line in lines if line.startswith("warning: "))
    kept = [line for n, line in enumerate(lines) if line not in often or line not in lines[:n]]
    return "\n".join(f"{line}  [{often[line]} times]" if often[line] > 1 else line for line in kept)


def clipped(line: str) -> str:
    """Return a line without padding and a kernel's arguments, and if it is still long without its middle: file and line stand at its end."""
    line = CALL.sub("(…)", TEMPLATE.sub("<…>", line.rstrip()))
    return line if len(line) <= SHOWN_WIDTH else f"{line[: SHOWN_WIDTH - SHOWN_END - 3]} … {line[-SHOWN_END:]}"


def with_last(happened: str, said: list[str]) -> str:
    """Return what happened, and gdb's last words."""
    last = "".join(said).strip().splitlines()[-4:]
    return happened + (" It said last:\n" + "\n".join(f"    {clipped(line)}" for line in last) if last else "")
