"""Live gdb sessions on small programs: what is typed, what is answered, and that nothing is left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from labkit.debug.course_gdb import write_course_gdb
from labkit.debug.gdb import Gdb
from labkit.debug.gdb_text import arguments, commands_in
from labkit.debug.magic import filled
from labkit.debug.transcript import MAX_STEP_FRAMES
from labkit.messages import LearnerMessage

PROGRAM = r"""
#include <vector>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unistd.h>
int twice(const std::vector<int>& numbers, int i) {
  int first = numbers.at(i);
  int sum = first + numbers.at(i);
  return sum;
}
int main(int count, char** words) {
  puts(words[count - 1]);
  fflush(stdout);
  if (!strcmp(words[1], "crash")) raise(SIGSEGV);
  if (!strcmp(words[1], "wait")) for (;;) pause();
  std::vector<int> numbers{1, 2, 3};
  int all = 0;
  for (int i = 0; i < 3; ++i) all += twice(numbers, i);
  return all == 12 ? 0 : 1;
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gdb program")  # with a space in it
    source, built = folder / "program.cpp", folder / "program"
    source.write_text(PROGRAM)
    subprocess.run(["g++", "-O0", "-g", "-o", built, source], check=True, timeout=60)
    return built


@pytest.fixture
def session(program, tmp_path):
    init = tmp_path / "course.gdb"
    write_course_gdb(init, {"/nowhere": tmp_path})
    opened, before = [], family()

    def start(*words):
        log = tmp_path / "program.log"
        gdb = Gdb(["gdb", "-nx", "--interpreter=mi3", "-ix", str(init), str(program)], cwd=tmp_path, log=log)
        opened.append(gdb)
        gdb.type(arguments(words or ("count",), log))
        return gdb

    yield start
    for gdb in opened:
        gdb.close()
    assert family() <= before, "a process was left behind"


def family():
    """The processes that descend from this one; other tests have theirs."""
    return {process for process in psutil.Process().children(recursive=True) if process.status() != psutil.STATUS_ZOMBIE}


def test_a_session_stops_steps_prints_and_ends(session, capsys):
    gdb = session("count", "two words")
    gdb.cell("break twice\nrun\n\n# a comment\nnext\ninfo locals\nprint first\ndelete\ncontinue")
    stops = [(turn.typed, turn.stop.reason) for turn in gdb.transcript.turns if turn.stop]
    assert stops == [("run", "breakpoint-hit"), ("next", "end-stepping-range"), ("continue", "exited-normally")]
    run = next(turn.stop for turn in gdb.transcript.turns if turn.typed == "run")
    assert [(f.function, Path(f.file).name, f.line) for f in run.frames] == [("twice", "program.cpp", 9), ("main", "program.cpp", 20)]
    shown = capsys.readouterr().out
    assert "(gdb) print first\n$1 = 1\n" in shown
    assert "two words" not in shown.split("(gdb) next")[1], "the program's output is in its log, not in the dialogue"
    assert (gdb._log).read_text() == "two words\n"


def test_the_courses_skips_keep_step_out_of_the_standard_library(session):
    gdb = session()
    gdb.cell("break twice\nrun\nstep\nstep")
    assert [turn.stop.frames[0].line for turn in gdb.transcript.turns if turn.typed == "step"] == [10, 11]


def test_the_older_courses_skip_does_not(session):
    gdb = session()
    gdb.cell("skip delete\nskip -gfi /usr/*\nbreak twice\nrun\nstep")
    assert gdb.transcript.turns[-1].stop.frames[0].file.endswith("stl_vector.h")


def test_hits_conditions_watchpoints_and_command_blocks(session):
    gdb = session()
    gdb.cell("break twice\nignore 1 100\nbreak 11 if i == 1\ncommands\nsilent\nprint sum\nend\nrun")
    assert "$1 = 4" in gdb.transcript.turns[-1].said
    gdb.cell("delete 2\ntbreak main\nwatch -l sum\ncontinue")
    assert gdb.transcript.turns[-1].stop.reason == "watchpoint-trigger"
    gdb.cell("delete 3 4\ncontinue\ninfo breakpoints")
    assert "breakpoint already hit 3 times" in gdb.transcript.turns[-1].said


def test_a_breakpoint_that_logs_and_goes_on(session):
    gdb = session()
    gdb.cell("break 11\ncommands\nsilent\nprint sum\ncontinue\nend\nrun")
    assert [line for line in gdb.transcript.turns[-1].said.splitlines() if line.startswith("$")] == ["$1 = 2", "$2 = 4", "$3 = 6"]
    assert gdb.transcript.turns[-1].stop.reason == "exited-normally"


def test_what_gdb_refuses_is_an_answer(session):
    gdb = session()
    assert "Undefined command" in gdb.type("dance")
    assert "No symbol" in gdb.type("print nothing_here")
    assert "not being run" in gdb.type("continue")


def test_a_crash_is_a_stop_with_its_frames(session):
    gdb = session("crash")
    gdb.type("run")
    stop = gdb.transcript.turns[-1].stop
    assert stop.reason == "signal-received"
    assert "main" in [frame.function for frame in stop.frames]


def test_a_program_that_never_stops_is_ended_at_the_limit_with_a_message(session):
    before = family()
    gdb = session("wait")
    began = time.monotonic()
    with pytest.raises(LearnerMessage, match="gave no prompt for 1 s; it and what it had started were ended"):
        gdb.type("run", timeout=1)
    assert time.monotonic() - began < 15
    assert family() <= before
    with pytest.raises(LearnerMessage, match="session is over"):
        gdb.type("backtrace")


def test_an_interrupt_in_the_middle_of_drawing_loses_no_message(session, monkeypatch):
    gdb = session("wait", "ready")
    monkeypatch.setattr(gdb, "_show_life", lambda _: signal.raise_signal(signal.SIGINT))
    assert "SIGINT" in gdb.type("run", timeout=30)
    assert gdb.transcript.turns[-1].stop.reason == "signal-received"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler, "outside of a command the kernel's own handler is there"


def test_an_interrupt_while_nothing_runs_does_not_stop_the_next_command(session, monkeypatch):
    gdb = session("wait", "ready")
    gdb._interrupts.pressed = True
    with pytest.raises(LearnerMessage, match="no prompt"):
        gdb.type("run", timeout=2)


def test_interrupting_the_kernel_interrupts_the_program_and_keeps_the_session(session):
    gdb = session("wait", "ready")

    def interrupt():
        while not gdb._log.is_file() or "ready" not in gdb._log.read_text():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    said = gdb.type("run", timeout=30)
    assert "SIGINT" in said
    assert gdb.transcript.turns[-1].stop.reason == "signal-received"
    assert "main" in gdb.type("backtrace")


def test_a_killed_kernel_takes_gdb_and_its_program_with_it(tmp_path):
    script = f"""
from pathlib import Path
from labkit.debug.gdb import Gdb
gdb = Gdb(["gdb", "-nx", "--interpreter=mi3", "-iex", "set confirm off", "/bin/sleep"], cwd=Path({str(tmp_path)!r}))
gdb.type("set args 4321")
print("ready", flush=True)
gdb.type("run", timeout=60)
"""
    kernel = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert kernel.stdout.readline() == "ready\n"
    family = wait_for(lambda: (found := psutil.Process(kernel.pid).children(recursive=True)) and len(found) >= 3 and found)
    kernel.kill()
    kernel.wait()
    _, alive = psutil.wait_procs(family, timeout=15)
    assert alive == []


def wait_for(what, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen")


def test_a_machine_without_gdb(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LearnerMessage, match=r"gdb is not installed(.|\n)*labkit doctor"):
        Gdb(["gdb"], cwd=tmp_path)


def test_only_what_a_check_needs_is_kept(session):
    gdb = session()
    gdb.cell("break twice\nrun\nnext")
    facts = gdb.facts()
    assert facts["debugger"] == "gdb"
    assert [turn["typed"] for turn in facts["turns"]][-3:] == ["break twice", "run", "next"]
    assert all(len(turn.get("frames", ())) <= MAX_STEP_FRAMES for turn in facts["turns"] if turn["typed"] == "next")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("break main\nrun", ["break main", "run"]),
        ("# a comment\n\n  run  ", ["  run  "]),
        ("commands 1\n silent\n print x\nend\nrun", ["commands 1\n silent\n print x\nend", "run"]),
        ("python print(1)\nrun", ["python print(1)", "run"]),
        ("commands\nsilent", ["commands\nsilent\nend"]),  # an end forgotten does not wait for ever
        ("", []),
    ],
)
def test_a_cell_is_taken_apart_into_commands(text, expected):
    assert commands_in(text) == expected


def test_names_of_the_notebook_are_filled_in():
    values = {"FUNCTION": "rms_norm", "OWN": 3, "lower": 1}
    assert (
        filled("break {FUNCTION} if x == {OWN}\nprint {int}p\nprint {lower}", values)
        == "break rms_norm if x == 3\nprint {int}p\nprint {lower}"
    )
    with pytest.raises(LearnerMessage, match="{OTHER} is no variable of this notebook"):
        filled("break {OTHER}", values)


def test_a_breakpoint_that_never_fitted_is_named_when_the_program_has_ended(session, capsys):
    session().cell("break twize\nrun")
    assert "no library had twize" in capsys.readouterr().out


def test_after_an_interrupt_the_rest_of_the_cell_is_not_typed(session, capsys):
    gdb = session("wait", "ready")

    def interrupt():
        while not gdb._log.is_file() or "ready" not in gdb._log.read_text():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    gdb.cell("run\nprint 1 + 1")
    assert gdb.transcript.turns[-1].typed == "run"
    assert "stopped by you" in capsys.readouterr().out
