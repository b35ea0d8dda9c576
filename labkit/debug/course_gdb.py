"""The course's own gdb init file: written into the lesson's folder and read with `gdb -nx -ix`, so that ~/.gdbinit is neither read nor changed."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from labkit.messages import LearnerMessage

INSIDE = Path(__file__).parent / "inside_gdb.py"
TEXT = """\
# Read by: gdb -nx -ix course.gdb --args PYTHON SCRIPT ...
# -nx leaves your own ~/.gdbinit alone; -ix reads this file BEFORE the program is loaded, which line 2 needs.

# 1. No questions: there is nobody to answer them in a notebook
set confirm off
set pagination off
set width 0
set debuginfod enabled off

# 2. gdb runs the scripts that lie beside a program only from folders that it trusts: Python's brings py-bt
{trusted}

# 3. vLLM's libraries are loaded long after `run`: keep breakpoints that do not fit anything yet
set breakpoint pending on

# 4. Where the sources are that the libraries were compiled from, elsewhere
{sources}

# 5. `step` shall not go into the standard library; a * does not match a slash
skip -gfi /usr/include/c++/*/bits/*
skip -gfi /usr/include/c++/*/*
skip -rfu ^(std|c10|at)::

# 6. Less noise
set print pretty on
set print thread-events off
set print inferior-events off
set print symbol-loading off

# 7. py-bt where Python brings no script for gdb, and bt-both: C++ and Python frames in one list
source {inside}
"""


def find_debugger(*, cuda: bool) -> str:
    """Return the path of cuda-gdb, or, where plain gdb will do, of gdb if there is one: cuda-gdb can do all that gdb can.

    Raises LearnerMessage when there is none.
    """
    names = ["cuda-gdb"] if cuda else ["gdb", "cuda-gdb"]
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        raise LearnerMessage(f"{names[0]} is not installed, or not on PATH.", "Run `labkit doctor`: its row names the command.")
    return found


def write_course_gdb(path: Path, sources: Mapping[str, Path]) -> None:
    """Write the init file. `sources` maps the folder that a library's debug information names to the folder that is there."""
    trusted = "\n".join(f"add-auto-load-safe-path {folder}" for folder in python_folders())
    substitutes = "\n".join(f"set substitute-path {_quoted(there)} {_quoted(here)}" for there, here in sources.items())
    path.write_text(TEXT.format(trusted=trusted, sources=substitutes, inside=INSIDE))


def _quoted(path: object) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def python_folders() -> list[Path]:
    """Return the folders that Python's script for gdb lies in, where there is one: beside the program, or beside its library."""
    program = Path(sys.executable).resolve()
    found = [*program.parent.glob("*-gdb.py"), *(program.parent.parent / "lib").glob("libpython*-gdb.py")]
    system = Path("/usr/share/gdb/auto-load")
    return sorted({path.parent for path in found}) + ([system] if system.is_dir() else [])
