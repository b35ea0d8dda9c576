"""What breaks around a class run, put in for real: a full disk, a gradebook or a folder that may not be written, a gradebook damaged while it runs."""

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tinycourse import ASSIGNMENT, FULL, HERE, REPOSITORY

from labkit.sandboxing import find_bwrap

pytestmark = pytest.mark.real
LEARNERS = tuple(f"l{number:02}" for number in range(12))
RIGHT = dict.fromkeys(LEARNERS, FULL)
DISK = 12 * 1024 * 1024  # bytes


@pytest.fixture
def root(course: Any) -> Path:
    for name in LEARNERS:
        course.learner(name).good()
    return Path(course.root)


def command(root: Path) -> list[str]:
    checks = ("--checks", "course_checks", "--path", str(HERE))
    return [sys.executable, "-m", "grading", "class", "--course-dir", str(root), "--assignment", ASSIGNMENT, "--jobs", "2", *checks]


def graded(root: Path) -> dict[str, Any]:
    done = subprocess.run(command(root), cwd=REPOSITORY, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads((root / f"{ASSIGNMENT}.class.json").read_text()))


def rows(root: Path) -> tuple[dict[str, float], int, int]:
    """Return the sums of the automatic scores, the rows of grades, and how many of them are for different cells."""
    asked = (
        "select sa.student_id, sum(g.auto_score) from submitted_assignment sa join submitted_notebook sn on sn.assignment_id = sa.id "
        "join grade g on g.notebook_id = sn.id group by 1"
    )
    with sqlite3.connect(root / "gradebook.db") as book:
        count, different = book.execute("select count(*), count(distinct notebook_id || cell_id) from grade").fetchone()
        return dict(book.execute(asked).fetchall()), count, different


# Inside the namespace `root` is a small disk of its own. It is filled but for `left` bytes, a run is tried, room is made, and a run is tried again.
FULL_DISK = r"""
set -e; root=$1 copy=$2 left=$3; shift 3
cp -r "$copy/." "$root/"
free=$(df --output=avail -B1 "$root" | tail -1)
head -c $((free - left)) /dev/zero > "$root/ballast"
set +e
"$@"; echo "first $?"
rm "$root/ballast"
"$@"; echo "second $?"
cp "$root/gradebook.db" "$copy/gradebook.db"; rm -rf "$copy/autograded"; cp -r "$root/autograded" "$copy/autograded"
"""


@pytest.mark.parametrize("seed", range(4))
def test_a_full_disk_stops_the_run_with_a_reason_and_nothing_is_lost_or_doubled(root: Path, tmp_path: Path, seed: int) -> None:
    left = random.Random(seed).randrange(0, 200_000) // 4096 * 4096
    copy = shutil.copytree(root, tmp_path / "copy")
    inside = [str(find_bwrap()), "--dev-bind", "/", "/", "--size", str(DISK), "--tmpfs", str(root), "--chdir", str(REPOSITORY)]
    done = subprocess.run(
        [*inside, "sh", "-c", FULL_DISK, "sh", str(root), str(copy), str(left), *command(root)], capture_output=True, text=True, timeout=240
    )
    assert "first 2" in done.stdout and "second 0" in done.stdout, done.stdout + done.stderr
    assert "run the same command again: it goes on" in done.stderr and "Traceback" not in done.stderr
    assert rows(copy) == (RIGHT, 36, 36)
    assert sorted(one.name for one in (copy / "autograded").iterdir()) == list(LEARNERS)


def without_override(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Run without root's right to read and write what may not be read and written; others never have it."""
    dropped = ["--cap-drop", "CAP_DAC_OVERRIDE", "--cap-drop", "CAP_DAC_READ_SEARCH"] if os.geteuid() == 0 else []
    plain = [str(find_bwrap()), "--dev-bind", "/", "/", *dropped, "--chdir", str(REPOSITORY)]
    return subprocess.run([*plain, *arguments], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("what", ["gradebook.db", "autograded", "submitted/l03"])
def test_what_may_not_be_written_or_read_stops_nothing_but_the_run(root: Path, what: str) -> None:
    (root / "autograded").mkdir(exist_ok=True)
    path = root / what
    mode = path.stat().st_mode
    path.chmod(0o000 if what.startswith("submitted") else 0o444 if path.is_file() else 0o555)
    try:
        done = without_override(command(root))
    finally:
        path.chmod(mode)
    assert done.returncode in (1, 2) and "Traceback" not in done.stderr + done.stdout, done.stderr
    told = done.stderr + done.stdout
    assert (
        "l03: its folder may not be read" in told if what.startswith("submitted") else "run the same command again: it goes on" in told
    ), told
    assert graded(root)["not_graded"] == {}
    assert rows(root) == (RIGHT, 36, 36)


def test_a_gradebook_damaged_while_it_runs_is_named_and_a_copy_put_back_is_filled(root: Path) -> None:
    shutil.copy(root / "gradebook.db", root / "older.db")
    run = subprocess.Popen(command(root), cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while not (root / "autograded" / LEARNERS[0]).exists() and time.monotonic() < until:
        os.sched_yield()
    with (root / "gradebook.db").open("r+b") as book:
        book.write(b"\0" * (root / "gradebook.db").stat().st_size)
    _, told = run.communicate(timeout=120)
    assert run.returncode == 2 and "Put a copy back" in told and "Traceback" not in told
    shutil.copy(root / "older.db", root / "gradebook.db")
    graded(root)
    assert rows(root) == (RIGHT, 36, 36)
