"""The sandbox: what a learner's function can do in it, and what it cannot."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from grading import sandbox_walls, seccomp
from grading.cases import Case, same, verdict_of
from grading.limits import FunctionLimits
from grading.sandbox import Outcome, run_function

QUICK = FunctionLimits(cpu_seconds=1, wall_seconds=1.5)
REPOSITORY = Path(__file__).parents[2]


def one(body: str, *arguments: object) -> Outcome:
    """Run a function whose body is given."""
    lines = "\n".join(f"    {line}" for line in body.split("\n"))
    return run_function(f"import os, sys\ndef f(*args):\n{lines}\n", "f", [list(arguments)], QUICK)


def value(body: str, *arguments: object) -> object:
    """Return what it returned, or the type of what it raised."""
    outcome = one(body, *arguments)
    assert outcome.state == "values", outcome
    return outcome.calls[0].error or outcome.calls[0].value


def test_values_come_back_as_json() -> None:
    assert value("return args", 1, 2.5, "x", [None, True], {"k": 1}) == [1, 2.5, "x", [None, True], {"k": 1}]


def test_each_call_has_its_own_result() -> None:
    outcome = run_function("def f(x):\n    return 1 / x", "f", [[2], [0], []], QUICK)
    assert [(c.value, c.error) for c in outcome.calls] == [(0.5, ""), (None, "ZeroDivisionError"), (None, "TypeError")]
    assert outcome.calls[1].message == "division by zero"


@pytest.mark.parametrize("body", ["return float('nan')", "return float('inf')", "return object()", "return {1, 2}", "return 10 ** 5000"])
def test_what_is_no_json_value_is_an_error_of_that_call(body: str) -> None:
    assert value(body) in ("ValueError", "TypeError")


@pytest.mark.parametrize("body", ["raise SystemExit(0)", "raise KeyboardInterrupt", "return f(*args)", "return bytearray(1 << 40)"])
def test_exceptions_of_every_kind_are_the_calls_own(body: str) -> None:
    assert value(body) in ("SystemExit", "KeyboardInterrupt", "RecursionError", "MemoryError")


def test_an_exception_that_cannot_be_shown() -> None:
    assert value("class E(Exception):\n    def __str__(self): raise self\nraise E()") == "E"


STATES = {
    "os._exit(0)": "ended",
    "os.kill(os.getpid(), 9)": "ended",
    "os.execv(sys.executable, ['python', '-c', 'pass'])": "ended",
    "import ctypes; ctypes.string_at(0)": "ended",
    "while True: pass": "timeout",
    "__import__('time').sleep(60)": "timeout",
    "return 'x' * 1_000_000": "too much output",
    "for fd in range(3, 20):\n    try: os.write(fd, b'{}')\n    except OSError: pass\nos._exit(0)": "ended",
}


@pytest.mark.parametrize("body", STATES)
def test_how_a_function_can_end(body: str) -> None:
    assert one(body).state == STATES[body]


@pytest.mark.parametrize(
    ("source", "said"), [("def g(x): pass", "no function f"), ("def f(x", "SyntaxError"), ("1 / 0", "ZeroDivisionError")]
)
def test_no_function_says_why(source: str, said: str) -> None:
    outcome = run_function(source, "f", [[1]], QUICK)
    assert outcome.state == "no function" and said in outcome.detail


FORBIDDEN = {
    "fork": "return os.fork()",
    "thread": "import threading\nthreading.Thread(target=print).start()",
    "spawn": "import subprocess\nreturn subprocess.run(['/bin/true']).returncode",
    "internet socket": "import socket\nsocket.socket()",
    "unix socket": "import socket\nsocket.socketpair()",
    "big file": "open('/tmp/x', 'wb').write(b'x' * (2 << 20))",
    "many files": "for i in range(100): open(f'/tmp/{i}', 'wb').write(b'x' * 1_000_000)",
    "many descriptors": "return [os.open('/dev/null', 0) for _ in range(100)]",
    "write to the system": "open('/usr/lib/x', 'w')",
    "write to the root": "open('/x', 'w')",
    "write to devices": "open('/dev/x', 'w')",
    "processes": "return os.listdir('/proc')",
    "grading": "import grading",
    "site-packages": "import pydantic",
    "the course": f"return os.listdir({str(REPOSITORY)!r})",
    "the runner": "return open(sys.argv[0]).read()",
    "kill others": "os.kill(1, 9); raise PermissionError",
    "more memory": "import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
    "mount": "import ctypes\nc = ctypes.CDLL(None, use_errno=True)\nif c.mount(b'none', b'/tmp', b'tmpfs', 0, 0): raise OSError(ctypes.get_errno())",
    "namespaces": "import ctypes\nc = ctypes.CDLL(None, use_errno=True)\nif c.unshare(0x10000000): raise OSError(ctypes.get_errno())",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_what_a_function_cannot_do(what: str) -> None:
    assert value(FORBIDDEN[what]) in (
        "PermissionError", "OSError", "RuntimeError", "FileNotFoundError", "ModuleNotFoundError", "ValueError", "BlockingIOError",
    )  # fmt: skip


def test_it_sees_no_environment_and_no_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "token")
    assert value("return [dict(os.environ), os.getuid(), os.getcwd(), os.uname().nodename]") == [
        {}, 65534, "/tmp", "sandbox",
    ]  # fmt: skip


def test_the_root_holds_only_what_python_needs() -> None:
    names = value("return sorted(os.listdir('/'))")
    assert isinstance(names, list)
    assert set(names) <= {"dev", "etc", "lib", "lib64", "tmp", "usr", Path(sys.base_prefix).parts[1]}
    assert value("return os.listdir('/etc')") in ([], ["ld.so.cache"])


def test_without_bubblewrap_nothing_runs(tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    source = f"open({str(trace)!r}, 'w')\ndef f(): return 1"
    for missing in (tmp_path / "bwrap", Path("/bin/false")):
        outcome = run_function(source, "f", [[]], QUICK, bwrap=missing)
        assert outcome.state == "unavailable" and not trace.exists()
    assert verdict_of(outcome, "f", [], 1.0).state == "not judged"


def test_without_a_filter_for_this_processor_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert seccomp.program() is None
    assert run_function("def f(): return 1", "f", [[]], QUICK).state == "unavailable"


def test_it_works_for_an_ordinary_user() -> None:
    """As nobody, with a Python that nobody may read."""
    python, setpriv = Path("/usr/bin/python3"), shutil.which("setpriv")
    version = subprocess.run([python, "-V"], capture_output=True, text=True).stdout if python.exists() else ""
    if os.getuid() != 0 or setpriv is None or f"{sys.version_info.major}.{sys.version_info.minor}." not in version:
        pytest.skip("needs root, setpriv and a system Python of this version, to become nobody")
    paths = [str(REPOSITORY), next(path for path in sys.path if path.endswith("site-packages"))]
    script = (
        f"import sys; sys.path[:0] = {paths!r}; import os\nfrom grading.sandbox import run_function\n"
        "print(os.getuid(), run_function('def f(x): return 2 * x', 'f', [[21]]))\n"
        "print(run_function('import os\\ndef f(): return os.fork()', 'f', [[]]))\n"
    )
    command = [setpriv, "--reuid", "65534", "--regid", "65534", "--clear-groups", str(python), "-B", "-c", script]
    said = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd="/").stdout
    assert "65534 Outcome(state='values', calls=(Called(value=42" in said, said
    assert "PermissionError" in said


def test_installed_packages_are_hidden() -> None:
    assert all(Path(folder).name in ("site-packages", "dist-packages") for folder in sandbox_walls.hidden())


@pytest.mark.parametrize(
    ("got", "expected", "equal"),
    [
        (1, 1.0, True), (1.0000001, 1, True), (1.1, 1, False), (True, 1, False), (1, True, False), (True, True, True), ("1", 1, False),
        ([1, 2], [1, 2], True), ([1], [1, 2], False), ({"a": [1.0]}, {"a": [1]}, True), ({"a": 1}, {"b": 1}, False), (None, 0, False),
        (10**400, 1.0, False), (10**400, 10**400, True), ("x", "x", True), (None, None, True),
    ],
)  # fmt: skip
def test_same(got: object, expected: object, equal: bool) -> None:
    assert same(got, expected) is equal


def test_a_verdict_tells_called_got_expected() -> None:
    cases = [Case((1,), 2), Case((3,), 6)]
    verdict = verdict_of(run_function("def f(x): return x + 1", "f", [c.arguments for c in cases], QUICK), "f", cases, 2.0)
    assert (verdict.state, verdict.seen, verdict.expected) == ("failed", "f(3) returned 4", "6")
    raised = verdict_of(run_function("def f(x): raise KeyError(x)", "f", [[1], [3]], QUICK), "f", cases, 2.0)
    assert raised.seen == "f(1) raised KeyError: 1"
    assert verdict_of(run_function("def f(x): return 2 * x", "f", [[1], [3]], QUICK), "f", cases, 2.0).points == 2.0
