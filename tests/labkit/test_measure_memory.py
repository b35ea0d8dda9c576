"""Part 3 of lesson 06 in the notebook: both runs, their tables and the plot."""

import contextlib
import json
import sys

import psutil
import pytest

from labkit.checks.exercises_memory import MIB
from labkit.lab import Lab
from labkit.measure import memory
from labkit.messages import LearnerMessage

WRITES = "import json, os, sys; json.dump({'mode': os.environ['MODE']}, open(sys.argv[1], 'w')); print('(x pid=1) [a.py:1] CPU KV cache size: 9 tokens')"
ENV = {"one": {"MODE": "first"}, "two": {"MODE": "second"}}


@pytest.fixture
def lab(tmp_path):
    return Lab("06_exercises", learner="ann", lane="cpu", folder=tmp_path)


def commands(one=WRITES, two=WRITES):
    return {"one": [sys.executable, "-c", one, "one.json"], "two": [sys.executable, "-c", two, "two.json"]}


def test_both_runs_are_made_and_kept_apart(lab, capsys):
    runs = memory.run_both(lab, commands(), ENV)
    assert {mode: facts for mode, (_, facts) in runs.items()} == {"one": {"mode": "first"}, "two": {"mode": "second"}}
    assert [run.exit_code for run, _ in runs.values()] == [0, 0]
    capsys.readouterr()
    memory.show_said(runs)
    said = capsys.readouterr().out
    assert said.count("CPU KV cache size: 9 tokens") == 2
    assert "pid=" not in said


def test_a_run_in_the_background_that_fails_says_why(lab):
    (lab.scratch() / "one.json").write_text("{}")  # of an earlier run: it must not count
    with pytest.raises(LearnerMessage, match=r"exit code 3.*\n.*no memory"):
        memory.run_both(lab, commands(one="print('no memory'); raise SystemExit(3)"), ENV)


def test_a_run_in_front_that_fails_ends_the_one_behind(lab):
    endless = "import time, os; print(os.getpid(), flush=True); time.sleep(600)"
    with pytest.raises(LearnerMessage, match=r"left no two\.json"):
        memory.run_both(lab, commands(one=endless, two="raise SystemExit(1)"), ENV)
    assert not any("time.sleep(600)" in command for command in running_commands())


def running_commands():
    """The command lines of this process's children; one that has ended, of whatever test, has none."""
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # a zombie's, too
            yield " ".join(child.cmdline())


def test_nothing_recorded_yet_is_a_message(lab):
    with pytest.raises(LearnerMessage, match="memory_trace.py in both modes"):
        memory.recorded(lab)


def facts(rest):
    process = {"name": "python", "rss": (100 + rest) * MIB}
    stage = {"own": process["rss"], "whole": process["rss"], "processes": [process]}
    account = {"process": "python", "parameters": 10 * MIB, "pool": 40 * MIB}
    pages = {"asked": 64 * MIB, "empty": 0, "zeros": 64 * MIB, "last": 0}
    stages = dict.fromkeys(("start", "import", "engine", "generate"), stage)
    return {"stages": stages, "before": account, "after": account, "weights": 60 * MIB, "pool_asked": 41 * MIB, "pages": pages}


def test_tables_and_plot_say_the_same(capsys):
    runs = {"one": facts(5), "two": facts(7)}
    for shown in (memory.show_stages, memory.show_tensors, memory.show_processes):
        shown(runs)
    memory.plot(runs, "cpu")
    memory.show_unseen(runs, "cpu")
    said = capsys.readouterr().out
    assert "one process: 105.0 MiB, of which weights 60.0, KV-cache pool 40.0" in said
    assert "62,914,560" in said
    assert "dispatch_cpu_unquantized_gemm" in " ".join(said.split())
    assert json.dumps(runs)


def test_no_two_parts_of_the_plot_look_alike():
    figure = memory.figure_of({"one": dict.fromkeys("abcdefg", MIB)})
    bars = [container.patches[0] for container in figure.axes[0].containers]
    assert len({bar.get_hatch() for bar in bars}) == len({bar.get_facecolor() for bar in bars}) == 7
