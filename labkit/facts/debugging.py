"""What the debuggers of lesson 03 need beside gdb: the right to attach, py-spy, and a Python that gdb can read."""

import os
import shutil
import sys
from pathlib import Path

from labkit.debug.ptrace import may_attach
from labkit.facts import Finding, judged
from labkit.system import System, dotted, version_in

PY_SPY_FLOOR = (0, 4)  # names functions with their class; knows Python 3.13


def attach(system: System) -> Finding:
    """Whether gdb and py-spy may look into a process that they did not start: tried on a process of our own."""
    found = may_attach(system)
    return judged(
        found.allowed, found.why, "gdb -p and py-spy may attach to a running engine (starting one under gdb works anyway)", found.advice
    )


def py_spy(system: System) -> Finding:
    """py-spy, which shows the Python stacks of a running process without stopping it for long."""
    expected, fix = f"py-spy {dotted(PY_SPY_FLOOR)} or newer", "make course   # brings py-spy"
    path = system.which("py-spy")
    if path is None:
        return Finding("missing", "not on PATH", expected, fix)
    version = version_in(system.output(path, "--version"))
    return judged(version >= PY_SPY_FLOOR, dotted(version) or "no version", expected, fix)


def python_program(_system: System, path: str = "") -> Finding:
    """Whether the `python3` that a terminal finds is a program: the shims of pyenv, asdf and conda are scripts, and gdb cannot load those.

    The course's own environment is left out of the search: a terminal does not have it in front.
    """
    own = str(Path(sys.executable).parent)
    folders = (path or os.environ.get("PATH", "")).split(os.pathsep)
    found = shutil.which("python3", path=os.pathsep.join(folder for folder in folders if folder and folder != own))
    expected, fix = "a program that gdb can load, not a shim", f"Give gdb {sys.executable}, never `python3`."
    if found is None:
        return Finding("ok", "the course's Python is the only one", expected)
    with Path(found).open("rb") as stream:
        is_program = stream.read(4) == b"\x7fELF"
    return judged(is_program, "a program" if is_program else f"a script in {Path(found).parent.name}", expected, fix)


def python_for_gdb(system: System, executable: str = "") -> Finding:
    """Whether Python brought its commands for gdb (py-bt, py-list, py-locals): a script beside the program, or where Debian keeps it."""
    program = executable or _real_python()
    places = [f"{program}-gdb.py", f"/usr/share/gdb/auto-load{program}-gdb.py"]
    expected = "Python's own script for gdb, for py-locals and py-list"
    found = next((place for place in places if system.text(place) is not None), None)
    minor = ".".join(map(str, system.python()[:2]))
    fix = f"{system.install(f'python{minor}-dbg', 'python3-debuginfo')}   # for the system's Python; uv's and conda's have none: py-spy shows the same stacks"
    return Finding("ok", Path(found).name, expected) if found else Finding("missing", f"none for {Path(program).name}", expected, fix)


def _real_python() -> str:
    return os.path.realpath(sys.executable)
