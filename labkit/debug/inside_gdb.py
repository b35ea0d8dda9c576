"""Runs inside gdb (course.gdb sources it): `bt-both`, and `py-bt` for a Python that brings no script for gdb.

Python's own script, where there is one, is loaded later, with the program, and its `py-bt` takes the place of this one.
"""

import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import gdb

Row = tuple[int, str, str, str]  # number of the C frame, kind, function, place

CPYTHON, TORCH, SYSTEM = ("libpython", "python3"), ("libtorch", "libc10", "libgomp"), ("libc.", "libpthread", "ld-linux")
INLINED_TORCH = ("c10::", "at::", "torch::", "std::", "pybind11::")


class PyBt(gdb.Command):  # type: ignore[misc]
    """py-bt: the Python frames of all threads. Python itself writes them; so it works without its debug information."""

    def __init__(self) -> None:
        super().__init__("py-bt", gdb.COMMAND_STACK, gdb.COMPLETE_NONE)

    def invoke(self, _argument: str, _from_tty: bool) -> None:
        """Print what Python wrote."""
        needs_a_process()
        gdb.write(dumped_by_python())


class BtBoth(gdb.Command):  # type: ignore[misc]
    """bt-both: C++ and Python frames of this thread in one list, innermost first. The number is that of the C frame in `backtrace`."""

    def __init__(self) -> None:
        super().__init__("bt-both", gdb.COMMAND_STACK, gdb.COMPLETE_NONE)

    def invoke(self, _argument: str, _from_tty: bool) -> None:
        """Print the list."""
        needs_a_process()
        reader = getattr(__import__("__main__"), "Frame", None)
        rows = list(both(gdb.newest_frame(), reader))
        for number, kind, function, place in folded(rows):
            gdb.write(f"#{number:<4}{kind:8}{function[:70]:72}{place}\n")
        if not any(kind == "Python" for _, kind, _, _ in rows):
            gdb.write("(this Python has no script for gdb: its frames cannot be put between these; Python's own list of them:)\n")
            gdb.write(of_this_thread(dumped_by_python()))


def of_this_thread(dumped: str) -> str:
    """Return the part of Python's list of all threads that is the current one's, the whole where Python marks none."""
    own = re.search(r"^Current thread .*?(?=\n\n|\Z)", dumped, re.MULTILINE | re.DOTALL)
    return f"{own[0].rstrip()}\n" if own else dumped


def needs_a_process() -> None:
    """Say what gdb says itself where there is nothing to look at."""
    if gdb.selected_thread() is None:
        raise gdb.GdbError("No stack.")


def both(frame: Any, reader: Any) -> Iterator[Row]:
    """Yield (number, kind, function, place) for each C frame, or in its place for each Python frame that it interprets, where a script reads them."""
    number = 0
    while frame is not None:
        name = frame.name() or "??"
        read = list(python_frames(frame, reader))
        for function, place in read:
            yield number, "Python", function, place
        if not read:
            where = frame.find_sal()
            place = f"{where.symtab.filename}:{where.line}" if where.symtab else ""
            yield number, kind_of(frame, name), name, place
        frame, number = frame.older(), number + 1


def python_frames(frame: Any, reader: Any) -> Iterator[tuple[str, str]]:
    """Yield (function, place) of the Python frames that one C frame interprets: since Python 3.11 that can be several."""
    seen = reader(frame) if reader else None
    if seen is None or not seen.is_evalframe():
        return
    inner = seen.get_pyop()
    while inner is not None:
        if getattr(inner, "is_shim", lambda: False)():
            return
        yield str(inner.co_name.proxyval(set())), f"{short(inner.filename())}:{inner.current_line_num() or '?'}"
        if getattr(inner, "is_entry", lambda: False)():
            return
        inner = inner.previous()


def kind_of(frame: Any, name: str) -> str:
    """Say whose frame it is: C++ of vLLM's or the learner's, torch's, CPython's own C, or the system's."""
    library = Path(gdb.solib_name(frame.pc()) or "python3").name
    if library.startswith(CPYTHON):
        return "CPython"
    if library.startswith(SYSTEM):
        return "system"
    return "torch" if library.startswith(TORCH) or name.startswith(INLINED_TORCH) else "C++"


def folded(rows: Iterable[Row]) -> Iterator[Row]:
    """Fold neighbouring frames of torch, of CPython, and of the system into one row."""
    waiting: list[Row] = []
    for row in rows:
        if waiting and waiting[0][1] != row[1]:
            yield from counted(waiting)
            waiting = []
        if row[1] in ("torch", "CPython", "system"):
            waiting.append(row)
        else:
            yield row
    yield from counted(waiting)


def counted(rows: list[Row]) -> Iterator[Row]:
    """One row for some neighbouring frames."""
    if rows:
        number, kind, name, _ = rows[0]
        more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
        yield number, kind, name[: 70 - len(more)] + more, ""


def short(path: object) -> str:
    """A path without the folders in front of the package."""
    return str(path).rpartition("site-packages/")[2] if "site-packages/" in str(path) else Path(str(path)).name


def dumped_by_python() -> str:
    """Have Python write the frames of all its threads into a file, as faulthandler does, and return the text."""
    handle, path = tempfile.mkstemp()
    os.close(handle)
    locking = gdb.parameter("scheduler-locking")
    try:
        lock_scheduler("on")  # or the other threads run on while this one makes the calls
        descriptor = int(gdb.parse_and_eval(f'(int)open("{path}", {os.O_WRONLY})'))
        gdb.parse_and_eval(f"(const char*)_Py_DumpTracebackThreads({descriptor}, (void*)0, (void*)0)")
        gdb.parse_and_eval(f"(int)close({descriptor})")
        return Path(path).read_text(errors="replace")
    except gdb.error:  # from Python 3.13 on the function is no longer visible
        raise gdb.GdbError(f"This Python shows gdb no frames. From outside: py-spy dump --pid {gdb.selected_inferior().pid}") from None
    finally:
        lock_scheduler(locking)
        Path(path).unlink()


def lock_scheduler(mode: object) -> None:
    """Set scheduler-locking where the debugger can: cuda-gdb says that it cannot as long as a program uses the GPU."""
    with suppress(gdb.error):
        gdb.execute(f"set scheduler-locking {mode}")


PyBt()
BtBoth()
