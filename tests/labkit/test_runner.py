"""The command runner ends what it started, and says in words how it went."""

import sys
import time
from pathlib import Path

import psutil
import pytest

from labkit.messages import LearnerMessage
from labkit.runner import run


def alive(pid):
    """A process that nobody has reaped yet is dead all the same."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_output_exit_code_and_log_agree(tmp_path):
    done = run([sys.executable, "-c", "print('seen'); raise SystemExit(3)"], log=tmp_path / "run.log", quiet=True)
    assert (done.exit_code, done.ok, done.last_line) == (3, False, "seen")
    assert (tmp_path / "run.log").read_text() == done.output == "seen\n"


def test_timeout_ends_the_command_and_its_children(tmp_path):
    parent = "import subprocess, sys, time; p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True); time.sleep(60)"
    began = time.monotonic()
    done = run([sys.executable, "-c", parent], log=tmp_path / "run.log", timeout=2, quiet=True)
    assert done.timed_out
    assert time.monotonic() - began < 15
    assert not alive(int(done.last_line))


def test_a_grandchild_that_keeps_the_pipe_open_does_not_hang_the_runner(tmp_path):
    parent = "import subprocess; subprocess.Popen(['sleep', '60'])"
    began = time.monotonic()
    done = run([sys.executable, "-c", parent], log=tmp_path / "run.log", timeout=30, quiet=True)
    assert done.exit_code == 0
    assert time.monotonic() - began < 10


def test_a_program_that_is_not_there_is_named_with_a_next_step(tmp_path):
    with pytest.raises(LearnerMessage, match="no-such-program.*not installed[^→]*→.*doctor"):
        run(["no-such-program"], log=tmp_path / "run.log", quiet=True)


def test_a_folder_that_is_not_there_is_not_blamed_on_the_program(tmp_path):
    with pytest.raises(LearnerMessage, match="folder .* is not there"):
        run(["true"], log=tmp_path / "run.log", cwd=tmp_path / "gone", quiet=True)


def test_a_full_disk_is_named(tmp_path):
    with pytest.raises(LearnerMessage, match="disk is full"):
        run(["sh", "-c", "yes | head -c 3000000"], log=Path("/dev/full"), quiet=True)


def test_the_message_replaces_the_traceback():
    lines = LearnerMessage("It broke.", "Mend it.")._render_traceback_()
    assert lines == ["It broke.\n→ Mend it."]
