"""The learner edition: complete enough to learn with, and without a solution or a check in it."""

import json
import subprocess
import sys
import zipfile

import pytest

from tests.lessons.conftest import ROOT
from tools.bundle import bundle


@pytest.fixture
def edition(tmp_path):
    """The unpacked learner edition."""
    target = tmp_path / "edition.zip"
    bundle(target)
    zipfile.ZipFile(target).extractall(tmp_path)
    return tmp_path / "day2"


def test_nothing_that_grades_or_solves_is_in_it(edition):
    names = {str(p.relative_to(edition)) for p in edition.rglob("*") if p.is_file()}
    assert not [n for n in names if n.startswith(("grading", "source", "lessons", "tests", "recordings", ".git"))]
    for path in edition.rglob("*"):
        if path.suffix in (".py", ".ipynb", ".md"):
            text = path.read_text()
            assert "BEGIN SOLUTION" not in text
            assert "BEGIN HIDDEN" not in text


def test_all_that_lessons_read_is_in_it(edition):
    """Recordings, CMake files and the like: without them lessons 02 to 06 stop."""
    listed = subprocess.run(["git", "ls-files", "labkit"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert [name for name in listed if not (edition / name).is_file()] == []


def test_two_bundles_are_the_same_bytes(tmp_path):
    bundle(tmp_path / "a.zip")
    bundle(tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_a_lesson_begins_and_is_checked_and_handed_in_from_it(edition):
    code = (
        "import os; os.chdir('notebooks'); from labkit import Lab; lab = Lab('00_start_here', learner='ada', lane='cpu');"
        "lab.answer('start-grading-quiz', {'b'}); lab.check('start-what_is_graded'); lab.progress()"
    )
    isolated = {"PYTHONPATH": str(edition), "PATH": "/usr/bin:/bin", "HOME": str(edition)}
    done = subprocess.run([sys.executable, "-c", code], cwd=edition, env=isolated, capture_output=True, text=True, check=True)
    assert "in order" in done.stdout
    submit = [sys.executable, "-c", "from labkit.cli import main; main()", "submit"]
    subprocess.run(submit, cwd=edition, env=isolated, check=True, capture_output=True)
    record = edition / "submitted" / "ada" / "day2" / "evidence" / "start-grading-quiz.json"
    assert json.loads(record.read_text())["facts"] == {"answer": ["b"]}


def test_the_set_up_and_the_makefile_start_in_it(edition):
    shown = subprocess.run(["make"], cwd=edition, capture_output=True, text=True, check=True).stdout
    assert "make lab" in shown
    help_text = subprocess.run([sys.executable, "tools/setup.py", "--help"], cwd=edition, capture_output=True, text=True, check=True).stdout
    assert "--lane" in help_text
    assert ROOT.name not in shown
