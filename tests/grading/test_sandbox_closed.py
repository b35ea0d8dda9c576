"""Where the sandbox is missing, or is not what it says, nothing of a learner's runs, and no learner is blamed."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from grading import seccomp
from grading.cases import verdict_of
from grading.limits import FunctionLimits
from grading.sandbox import Outcome, run_function
from labkit.sandboxing import find_bwrap

REPOSITORY = Path(__file__).parents[2]
QUICK = FunctionLimits(start_seconds=5.0, cpu_seconds=1, wall_seconds=1.5)
# Programs that take bwrap's place: each changes its arguments, then runs the rest, or the real one.
REST = "os.execv(rest[0], rest)"
REAL = "os.execv(real, [real, *args])"
LIARS = {
    "runs the interpreter as it is": (REST, "no system-call filter"),
    "forgets the filter": (f"at = args.index('--seccomp'); del args[at:at + 2]; {REAL}", "no system-call filter"),
    "shows the whole machine": (f"args[0:0] = ['--ro-bind', '/', '/']; {REAL}", "empty root"),
    "leaves the root writable": (f"del args[args.index('--') - 4:args.index('--') - 2]; {REAL}", "read-only root"),
    "gives a large /tmp": (f"args[args.index('/tmp') - 2] = str(1 << 30); {REAL}", "bounded /tmp"),
    "keeps the user": (f"args[args.index('--uid') + 1] = '1000'; {REAL}", "user namespace"),
    "keeps the host's name": (f"args[args.index('--hostname') + 1] = 'host'; {REAL}", "host name"),
    "shares the processes": (
        f"args[0:1] = ['--unshare-ipc', '--unshare-net', '--unshare-uts', '--unshare-cgroup']; {REAL}", "process namespace"
    ),
    "ends with 1": ("sys.exit('no permissions to create new namespace')", "no permissions"),
    "ends at once, content": ("sys.exit(0)", "ended with code 0"),
    "says something else": ("os.write(int([f for f in os.listdir('/proc/self/fd') if 'pipe' in os.readlink('/proc/self/fd/' + f)][0]), b'{}')", "{}"),
}  # fmt: skip


def planted(folder: Path, body: str) -> Path:
    program = folder / "bwrap"
    lines = [f"#!{sys.executable} -ES", "import os, sys", "args = sys.argv[1:]", "rest = args[args.index('--') + 1:]"]
    program.write_text("\n".join([*lines, f"real = {str(find_bwrap())!r}", body, ""]))
    program.chmod(0o755)
    return program


def nothing_ran(outcome: Outcome, trace: Path) -> bool:
    return outcome.state == "unavailable" and not trace.exists() and verdict_of(outcome, "f", [], 1.0).state == "not judged"


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    return tmp_path / "ran"


@pytest.fixture
def source(trace: Path) -> str:
    """Source that shows when it runs with a view of the machine, and whose return is a value when it runs without one."""
    return f"try: open({str(trace)!r}, 'w')\nexcept OSError: pass\ndef f(): return 1"


@pytest.mark.parametrize("lie", LIARS)
def test_a_program_that_is_not_what_it_says(tmp_path: Path, trace: Path, source: str, lie: str) -> None:
    body, said = LIARS[lie]
    outcome = run_function(source, "f", [[]], QUICK, bwrap=planted(tmp_path, body))
    assert nothing_ran(outcome, trace) and said in outcome.detail, outcome


def test_the_same_program_without_a_lie(tmp_path: Path, source: str) -> None:
    assert run_function(source, "f", [[]], QUICK, bwrap=planted(tmp_path, REAL)).state == "values"


def test_one_that_hangs_is_no_fault_of_the_learner(tmp_path: Path, trace: Path, source: str) -> None:
    hanging = planted(tmp_path, "import time; time.sleep(60)")
    outcome = run_function(source, "f", [[]], FunctionLimits(start_seconds=0.2), bwrap=hanging)
    assert nothing_ran(outcome, trace) and "did not start" in outcome.detail


@pytest.mark.parametrize("missing", ["nowhere", "no program", "a folder"])
def test_no_program(tmp_path: Path, trace: Path, source: str, missing: str) -> None:
    path = tmp_path / "bwrap"
    if missing == "no program":
        path.write_text("text")
    elif missing == "a folder":
        path.mkdir()
    assert nothing_ran(run_function(source, "f", [[]], QUICK, bwrap=path), trace)


def test_an_unknown_processor(monkeypatch: pytest.MonkeyPatch, trace: Path, source: str) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert seccomp.program() is None and nothing_ran(run_function(source, "f", [[]], QUICK), trace)


def test_a_machine_without_user_namespaces(trace: Path, source: str) -> None:
    """For real: inside bubblewrap that allows no further namespaces, as a container often is."""
    bwrap, site = str(find_bwrap()), [path for path in sys.path if path.endswith("site-packages")]
    script = (
        f"import sys; sys.path[:0] = {[str(REPOSITORY), *site]!r}; from grading.sandbox import run_function\n"
        f"print(run_function({source!r}, 'f', [[]]))"
    )
    walls = [bwrap, "--unshare-user", "--disable-userns", "--uid", "65534", "--bind", "/", "/", "--dev", "/dev"]
    said = subprocess.run([*walls, sys.executable, "-B", "-c", script], capture_output=True, text=True, timeout=60)
    assert "state='unavailable'" in said.stdout and "namespace" in said.stdout and not trace.exists(), said
