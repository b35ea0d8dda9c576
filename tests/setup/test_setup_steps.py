"""Stamps, resuming, and what the set-up makes of pip's failures: with a stand-in for pip that fails on purpose."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tools import lock, setup_pip, setup_run, setup_steps
from tools.setup_pip import StepFailed
from tools.setup_steps import Place, Step


@pytest.fixture
def place(tmp_path):
    """An environment with an interpreter that does nothing, and the set-up's lock."""
    venv = tmp_path / ".venv"
    (venv / ".setup").mkdir(parents=True)
    with (venv / ".setup" / "lock").open("w") as held:
        made = Place(tmp_path, venv, "cpu", held.fileno())
        _pip(made, "exit 0")
        yield made


def _pip(place: Place, script: str) -> None:
    """Put a shell script where the environment's interpreter would be."""
    place.python.parent.mkdir(exist_ok=True)
    place.python.write_text(f"#!/bin/sh\n{script}\n")
    place.python.chmod(0o755)


def _steps(done: list[str], *names: str, inputs: str = "1") -> list[Step]:
    return [Step(name, name, "no time", 0.0, (inputs,), lambda _, name=name: done.append(name)) for name in names]


def test_a_finished_step_is_not_done_again(place):
    done: list[str] = []
    for _ in range(2):
        setup_run.carry_out(place, _steps(done, "torch", "packages"))
    assert done == ["torch", "packages"]


def test_a_step_whose_inputs_changed_is_done_again(place):
    done: list[str] = []
    setup_run.carry_out(place, _steps(done, "torch", "packages"))
    setup_run.carry_out(place, _steps(done, "torch") + _steps(done, "packages", inputs="2"))
    assert done == ["torch", "packages", "packages"]


def test_it_goes_on_with_the_step_that_was_not_finished(place, capsys):
    done: list[str] = []

    def interrupted(_: Place) -> None:
        raise KeyboardInterrupt

    first, second = _steps(done, "torch", "packages")
    with pytest.raises(KeyboardInterrupt):
        setup_run.carry_out(place, [first, replace(second, act=interrupted)])
    setup_run.carry_out(place, [first, second])
    assert done == ["torch", "packages"]
    assert "[2/3] torch: done before\n[3/3] packages  (no time)" in capsys.readouterr().out


def test_an_environment_whose_interpreter_is_gone_is_not_done(place):
    (step,) = _steps([], "torch")
    step.stamp(place)
    assert step.done(place)
    place.python.unlink()
    assert not step.done(place)


def test_a_half_made_environment_is_made_afresh(place):
    """Stamps, packages and interpreter of the old one go; the lock stays."""
    (place.marks / "packages").write_text("old")
    (place.venv / "lib" / "old").mkdir(parents=True)
    setup_steps.make_venv(place)
    assert not (place.marks / "packages").exists()
    assert not (place.venv / "lib" / "old").exists()
    assert (place.marks / "lane").read_text() == "cpu"
    subprocess.run([place.python, "-m", "pip", "--version"], check=True, capture_output=True)


@pytest.mark.parametrize("lane", ["cpu", "cuda", "grader"])
def test_each_lane_ends_with_the_repository(place, lane):
    names = [step.name for step in setup_steps.plan(replace(place, root=lock.ROOT, lane=lane))]
    assert (names[0], names[-1]) == ("venv", "repository")
    assert ("torch" in names) == (lane == "cpu")
    assert ("model" in names) == (lane != "grader")


def test_another_lane_needs_another_environment(place):
    cpu, cuda = (setup_steps.plan(replace(place, root=lock.ROOT, lane=lane))[0].digest() for lane in ("cpu", "cuda"))
    assert cpu != cuda


NO_TORCH = "ERROR: No matching distribution found for torch==2.13.0+cpu"


def test_torch_comes_from_where_pip_is_told_to_look(place):
    _pip(place, "echo installed")
    setup_steps.install_torch(place)
    assert "--index-url" not in place.log.read_text()


def test_only_without_such_a_version_is_pytorchs_own_index_asked(place):
    _pip(place, f'case "$*" in *--index-url*) ;; *) echo "{NO_TORCH}"; exit 1;; esac')
    setup_steps.install_torch(place)
    assert place.log.read_text().count(setup_steps.TORCH_INDEX) == 1


def test_without_a_network_no_second_index_is_tried(place):
    _pip(place, f'echo "NewConnectionError: Failed to establish a new connection"; echo "{NO_TORCH}"; exit 1')
    with pytest.raises(StepFailed, match="the package index does not answer"):
        setup_steps.install_torch(place)
    assert setup_steps.TORCH_INDEX not in place.log.read_text()


def test_no_such_torch_anywhere(place):
    _pip(place, f'echo "{NO_TORCH}"; exit 1')
    with pytest.raises(StepFailed, match="has this torch for this Python"):
        setup_steps.install_torch(place)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk"),
        ("Retrying (Retry(total=4)) after connection broken by 'NewConnectionError'\n" + NO_TORCH, "network"),
        ("[Errno -3] Temporary failure in name resolution", "network"),
        ("pip._vendor.urllib3.exceptions.ReadTimeoutError: HTTPSConnectionPool: Read timed out.", "network"),
        ("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed", "certificate"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "hash"),
        (NO_TORCH, "torch"),
        ("ERROR: No matching distribution found for torchmetrics==9", "version"),
        ("ERROR: [Errno 13] Permission denied: '/x'", "rights"),
        ("something else", "unknown"),
    ],
)
def test_a_failure_is_recognised(text, name):
    assert setup_pip.recognise(f"Collecting rich\n{text}\n", 1).name == name


def test_a_killed_pip_is_recognised():
    assert setup_pip.recognise("Collecting rich\n", -9).name == "killed"


def test_a_failure_is_told_with_the_logs_end_and_a_next_step(place):
    _pip(place, 'for n in $(seq 40); do echo "line $n"; done; printf "%0999d\\n" 0; echo "ERROR: No space left on device"; exit 1')
    with pytest.raises(StepFailed) as failure:
        setup_steps.install_torch(place)
    told = str(failure.value)
    assert told.startswith("install torch==2.13.0+cpu: stopped with exit code 1; the disk is full.\n")
    assert "line 40" in told
    assert "line 12\n" not in told
    assert max(len(line) for line in told.splitlines()[1:-1]) == 4 + setup_pip.WIDTH
    assert told.endswith(f"Log: {place.log}")
    assert "Next: free some space" in told


def test_the_counter_follows_pip():
    collecting = "Collecting rich\nProcessing ./x.whl\n"
    assert setup_steps.counter(3, lambda: 3, collecting) == "collecting package 2"
    assert setup_steps.counter(3, lambda: 4, f"{collecting}Installing collected packages: rich, x\n") == "installing 1 of 2"


def test_what_an_interrupted_pip_left_half_written_is_forgotten(place):
    site = place.venv / "lib" / "python3.11" / "site-packages"
    for name, record in (("whole-1", "whole.py,,\nwhole-1.dist-info/INSTALLER,,\n"), ("half-1", "half.py,,\n"), ("none-1", None)):
        (site / f"{name}.dist-info").mkdir(parents=True)
        if record:
            (site / f"{name}.dist-info" / "RECORD").write_text(record)
    setup_steps.mend(place)
    assert [path.name for path in place.packages()] == ["whole-1.dist-info"]


def test_a_second_set_up_waits_for_the_first(place, capsys):
    """Also for a pip that outlived a killed set-up: it holds the lock too."""
    path = place.marks / "lock"
    code = "import fcntl,sys,time; f=open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_EX); print(flush=True); time.sleep(1)"
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE) as other:
        assert other.stdout
        other.stdout.readline()
        held = setup_run._hold(place)
    fcntl.flock(held.lock, fcntl.LOCK_UN)
    os.close(held.lock)
    assert "waiting for it" in capsys.readouterr().out


def _clone(folder: Path) -> Path:
    for name in ("tools", "requirements", "labkit", "grading"):
        shutil.copytree(lock.ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(lock.ROOT / "pyproject.toml", folder)
    return folder


def _packages(clone: Path) -> int:
    return len(list(clone.glob(".venv-grader/lib/python3*/site-packages/*.dist-info")))


@pytest.mark.real
def test_a_grading_machine_is_set_up_interrupted_and_resumed(tmp_path):
    """The real thing with the real index: ended in the middle of pip, resumed, and nothing to do after that."""
    clone = _clone(tmp_path / "clone")
    command = [sys.executable, "tools/setup.py", "--grader"]
    with subprocess.Popen(command, cwd=clone, stdout=subprocess.PIPE, text=True) as first:
        while _packages(clone) < 10 and first.poll() is None:
            time.sleep(0.05)
        first.send_signal(signal.SIGTERM)
        told, _ = first.communicate(timeout=60)
    assert first.returncode == 130, told
    assert "Interrupted. Run the same command again" in told
    second = subprocess.run(command, cwd=clone, capture_output=True, text=True, check=True)
    assert "[2/4] make .venv-grader: done before" in second.stdout
    started = time.monotonic()
    third = subprocess.run(command, cwd=clone, capture_output=True, text=True, check=True)
    assert time.monotonic() - started < 1
    assert third.stdout == "The set-up is complete (grader lane in .venv-grader): nothing to do.\n"
    modules = "import grading, nbgrader, importlib.util as u; print([name for name in ('torch', 'vllm') if u.find_spec(name)])"
    done = subprocess.run([clone / ".venv-grader/bin/python", "-c", modules], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
