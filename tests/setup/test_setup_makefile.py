"""`make` explains itself, and `make clean` removes nothing that a person made."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tools import lock

MAKEFILE = lock.ROOT / "Makefile"
TARGETS = {"help", "setup", "course", "test", "lab", "formgrader", "notebooks", "bundle", "check", "clean", "grader"}


def _make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}  # `make test` runs us
    return subprocess.run(["make", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def folder(tmp_path):
    """A folder with nothing but the Makefile."""
    shutil.copy(MAKEFILE, tmp_path)
    return tmp_path


def test_make_alone_lists_every_target_and_needs_nothing(folder):
    done = _make(folder)
    assert done.returncode == 0, done.stderr
    assert set(re.findall(r"^  make (\w+) ", done.stdout, re.MULTILINE)) == TARGETS


def test_every_target_has_its_line_of_help():
    text = MAKEFILE.read_text()
    assert set(re.findall(r"^(\w+):.*## ", text, re.MULTILINE)) == set(re.findall(r"^(\w+):", text, re.MULTILINE)) == TARGETS
    assert set(re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)[1].split()) == TARGETS


KEPT = [
    "notebooks/evidence/run.json",
    "notebooks/learner.json",
    "notebooks/work/a.cpp",
    "submitted/ada/x",
    "autograded/ada/x",
    "gradebook.db",
]


def test_clean_keeps_what_people_made(folder):
    gone = ["build/course.json", ".ruff_cache/x", "labkit/__pycache__/x.pyc", "vllm_day2.egg-info/PKG-INFO"]
    for name in KEPT + gone:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    for name in ("bench", "grading", "tools", "tests"):
        (folder / name).mkdir()
    done = _make(folder, "clean")
    assert done.returncode == 0, done.stderr
    assert [name for name in KEPT if not (folder / name).exists()] == []
    assert [name for name in gone if (folder / name).exists()] == []
    assert "kept .venv, notebooks/" in done.stdout
