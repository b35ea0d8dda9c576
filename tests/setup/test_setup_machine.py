"""What the set-up says before it starts: the wrong Python, missing tools, a full disk, the lane."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import lock, setup, setup_machine

INSTALL_BOTH = "apt-get install -y g++ gdb"


@pytest.fixture
def clone(tmp_path):
    """The parts of the repository that the set-up reads, where nothing is set up yet."""
    for name in ("tools", "requirements"):
        shutil.copytree(lock.ROOT / name, tmp_path / "clone" / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(lock.ROOT / "pyproject.toml", tmp_path / "clone")
    return tmp_path / "clone"


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A PATH of one folder, and a function that puts programs into it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def add(*names: str) -> Path:
        for name in names:
            (folder / name).write_text("#!/bin/sh\n")
            (folder / name).chmod(0o755)
        return folder

    return add


def _set_up(clone: Path, *arguments: str, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    command = [python, "tools/setup.py", *arguments]
    return subprocess.run(command, cwd=clone, env=dict(os.environ), capture_output=True, text=True, check=False, timeout=60)


def test_everything_missing_is_named_at_once_with_one_command(clone, path):
    path("git", "make", "apt-get")
    done = _set_up(clone)
    assert done.returncode == 1
    assert "g++: not found." in done.stdout
    assert "gdb: not found." in done.stdout
    assert INSTALL_BOTH in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert not (clone / ".venv").exists()  # it found out before it made anything


def test_the_command_is_of_the_package_manager_that_is_there(path):
    path("git", "make", "dnf")
    absent = setup_machine.missing(setup_machine.TOOLS)
    assert setup_machine.install_command(absent).endswith("dnf install -y gcc-c++ gdb")


def test_without_a_known_package_manager_the_packages_are_named(path):
    path("git", "make", "gdb")
    assert setup_machine.install_command(setup_machine.missing(setup_machine.TOOLS)) == "install with your package manager: g++"


def test_sudo_is_named_only_to_those_who_need_it(path, monkeypatch):
    path("apt-get")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert setup_machine.install_command([setup_machine.VENV]).count("sudo apt-get") == 2


def test_a_python_without_ensurepip_is_found_out(path, monkeypatch):
    path("git", "make", "g++", "gdb", "apt-get")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (line, command) = setup_machine.problems(Path("/"), 0, setup_machine.TOOLS)
    assert line.startswith("venv: not found.")
    assert command.endswith(f"install -y python3.{sys.version_info[1]}-venv")


def test_a_full_disk_is_found_out(tmp_path, path):
    path("git", "make", "g++", "gdb")
    (line,) = setup_machine.problems(tmp_path, 1e9, setup_machine.TOOLS)
    assert line.startswith("Disk: ")
    assert "Expected 1000000000.0 GB" in line


def test_another_kind_of_machine_is_found_out(tmp_path, monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    (line,) = setup_machine.problems(tmp_path, 0, ())
    assert line.startswith("Machine: Darwin on arm64. Expected Linux on x86_64")


def test_a_grading_machine_needs_no_compiler(path):
    path()
    assert setup_machine.problems(Path("/"), 0, ()) == []


@pytest.mark.parametrize("version", [(3, 8), (3, 10), (3, 15)])
def test_a_python_that_does_not_fit(path, version):
    path("python3.11", "python3.12")
    line = setup.wrong_python(version)
    assert line.startswith(f"Python: this is {version[0]}.{version[1]} (")
    assert line.endswith("Expected 3.11 to 3.14. python3.12 is installed: make setup PYTHON=python3.12")


def test_no_python_that_fits(path):
    path("apt-get")
    assert "sudo apt-get install python3.12 python3.12-venv" in setup.wrong_python((3, 10))
    path("dnf")
    assert "sudo dnf install python3.12" in setup.wrong_python((3, 10))


def test_an_old_python_can_read_the_first_file():
    ast.parse(Path(setup.__file__).read_text(), feature_version=(3, 8))


def _runnable(name: str) -> str | None:
    """An interpreter that starts: a version manager leaves programs on PATH that do not."""
    found = shutil.which(name)
    works = found and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0
    return found if works else None


OLD = next((found for name in ("python3.8", "python3.9", "python3.10") if (found := _runnable(name))), None)


@pytest.mark.skipif(OLD is None, reason="no older Python on this machine")
def test_an_old_python_says_so_itself(clone):
    done = _set_up(clone, python=str(OLD))
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("Python: this is 3.")


def test_the_lane_and_its_reason(path, monkeypatch, tmp_path):
    monkeypatch.setattr(setup_machine, "DRIVER", tmp_path / "version")
    path()
    assert setup_machine.lane("auto", "")[0] == "cpu"
    path("nvidia-smi")
    assert setup_machine.lane("auto", "") == ("cuda", f"{tmp_path / 'bin' / 'nvidia-smi'} is installed")
    (tmp_path / "version").touch()
    assert setup_machine.lane("auto", "") == ("cuda", f"an NVIDIA driver is loaded ({tmp_path / 'version'})")


def test_the_lane_of_an_earlier_set_up_stays_until_another_is_asked_for():
    assert setup_machine.lane("auto", "cpu") == ("cpu", "set up earlier; --lane changes it")
    assert setup_machine.lane("cuda", "cpu") == ("cuda", "asked for with --lane")


def test_the_cuda_lane_without_a_driver_is_refused_with_a_way_out(monkeypatch, tmp_path):
    monkeypatch.setattr(setup_machine, "DRIVER", tmp_path / "absent")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "LANE=cpu" in setup_machine.lane_problem("cuda")
    assert setup_machine.lane_problem("cpu") == setup_machine.lane_problem("grader") == ""


def test_an_environment_that_somebody_else_made_is_left_alone(clone):
    (clone / ".venv").mkdir()
    (clone / ".venv" / "theirs").touch()
    done = _set_up(clone, "--lane", "cpu")
    assert done.returncode == 1
    assert done.stdout.startswith(".venv: is here, and this set-up did not make it.")
    assert (clone / ".venv" / "theirs").exists()
