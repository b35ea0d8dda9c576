"""The course's commands inside a debugger that cannot do all that gdb can: cuda-gdb, as it answered on an H100."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

import labkit.debug

OTHERS = 'Thread 0x1 (most recent call first):\n  File "_monitor.py", line 69 in run\n'
OWN = 'Current thread 0x2 (most recent call first):\n  File "core.py", line 725 in step\n'


class GdbError(Exception):
    """gdb.error"""


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """inside_gdb.py, in a cuda-gdb that does not lock the scheduler; its Python writes what _Py_DumpTracebackThreads writes."""

    def execute(command: str) -> None:
        if command.startswith("set scheduler-locking"):
            raise GdbError("Target 'multi-thread' cannot support this command.")

    opened: list[str] = []

    def evaluate(expression: str) -> int:
        if "open(" in expression:
            opened.append(expression.split('"')[1])
        elif "_Py_DumpTracebackThreads" in expression:
            Path(opened[-1]).write_text(f"{OTHERS}\n{OWN}")
        return 7

    gdb = SimpleNamespace(
        Command=type("Command", (), {"__init__": lambda *_: None}), COMMAND_STACK=0, COMPLETE_NONE=0, error=GdbError, GdbError=GdbError,
        execute=execute, parse_and_eval=evaluate, parameter=lambda _: "replay", selected_inferior=lambda: SimpleNamespace(pid=1),
        selected_thread=lambda: 1, newest_frame=lambda: None, write=lambda text: sys.stdout.write(text),
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "gdb", gdb)
    spec = importlib.util.spec_from_file_location("inside_a_stub", Path(labkit.debug.__file__).with_name("inside_gdb.py"))
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_python_frames_are_shown_where_the_scheduler_cannot_be_locked(inside: ModuleType) -> None:
    assert "line 725 in step" in inside.dumped_by_python()


def test_of_all_threads_the_current_one_is_shown_below_the_c_frames(inside: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    inside.BtBoth().invoke("", False)
    said = capsys.readouterr().out
    assert said.endswith(OWN) and "_monitor.py" not in said
    assert inside.of_this_thread(f"{OWN}\n{OTHERS}") == OWN
    assert inside.of_this_thread(OTHERS) == OTHERS


def frame(name: str, older: SimpleNamespace | None = None) -> SimpleNamespace:
    """A C frame as gdb gives it, without debug information; its name is also its address, and the library follows from it."""
    return SimpleNamespace(name=lambda: name, older=lambda: older, pc=lambda: name, find_sal=lambda: SimpleNamespace(symtab=None))


def test_no_c_frame_is_lost_where_no_script_reads_the_interpreters(inside: ModuleType) -> None:
    libraries = {"op": "_C.abi3.so", "_PyEval_EvalFrameDefault": None, "__libc_start_main": "/lib/libc.so.6", "_start": None}
    inside.gdb.solib_name = libraries.get
    newest = frame("op", frame("_PyEval_EvalFrameDefault", frame("__libc_start_main", frame("_start"))))

    kinds = [(number, kind) for number, kind, *_ in inside.both(newest, None)]
    assert kinds == [(0, "C++"), (1, "CPython"), (2, "system"), (3, "CPython")]
