"""Who is in a class, and what an instructor changes between two runs: each is noticed, named, or left as it was."""

import fcntl
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tinycourse
from test_class_run import CHECKS, RIGHT, command, grade, totals
from tinycourse import ASSIGNMENT, FULL, NOTEBOOK, REPOSITORY, Learner

pytestmark = pytest.mark.real


def changed(root: Path, statement: str) -> None:
    with sqlite3.connect(root / "gradebook.db") as book:
        assert book.execute(statement).rowcount > 0


def rows(root: Path, asked: str) -> list[Any]:
    with sqlite3.connect(root / "gradebook.db") as book:
        return book.execute(asked).fetchall()


def test_what_is_no_submission_is_named_and_stops_nobody(root: Path) -> None:
    submitted = root / "submitted"
    (submitted / "two\nlines").symlink_to(submitted / "ann")
    (submitted / "late.zip").write_bytes(b"PK")
    (submitted / "gus" / "Tiny").mkdir(parents=True)
    (submitted / "ida" / ASSIGNMENT / ASSIGNMENT).mkdir(parents=True)
    deep = submitted / "eva" / ASSIGNMENT / "evidence" / Path(*["d"] * 900)
    deep.mkdir(parents=True)
    first = grade(root, code=1)
    assert {name: why.split(":")[0] for name, why in first["not_graded"].items()} == {
        "two\nlines": "no gradebook or log can hold that name",
        "late.zip": "a file, not a folder",
        "gus": f"there is no folder {ASSIGNMENT} in it, but Tiny",
        "ida": f"there is a second folder {ASSIGNMENT} inside {ASSIGNMENT}, and no notebook beside it",
    }
    assert first["graded"] == 7 and totals(root) == RIGHT
    assert grade(root, code=1)["skipped"] == 7, "a deep folder is met in the second run, too"


def test_nobody_handed_in_is_no_success(root: Path) -> None:
    shutil.rmtree(root / "submitted")
    assert "Expected the folder of what was handed in" in grade(root, code=2)["said"]
    (root / "submitted").mkdir()
    assert f"nobody has handed in {ASSIGNMENT}" in grade(root, code=2)["said"]


def test_who_is_excluded_or_gone_is_neither_graded_nor_compared(root: Path) -> None:
    grade(root)
    (root / "nbgrader_config.py").write_text("c = get_config()\nc.CourseDirectory.student_id_exclude = 'cem, dan'\n")
    shutil.rmtree(root / "submitted" / "bea")
    assert grade(root)["skipped"] == 4
    with sqlite3.connect(root / f"{ASSIGNMENT}.class.db") as store:
        known = {who for (who,) in store.execute("select learner from submission union select learner from likeness")}
    assert known == {"ann", "eva", "fay", "wim"}


def test_who_is_in_the_gradebook_without_a_folder_is_named(root: Path) -> None:
    assert grade(root)["gone"] == []
    submitted = root / "submitted"
    (submitted / "bea").rename(submitted / "beatrice")
    (submitted / "cem" / ASSIGNMENT).rename(submitted / "cem" / "Tiny")  # named as not graded, which is enough
    shutil.rmtree(submitted / "dan")
    told = grade(root, code=1)
    assert told["gone"] == ["bea", "dan"] and list(told["not_graded"]) == ["cem"]
    said = subprocess.run(command(root), cwd=REPOSITORY, capture_output=True, text=True, timeout=120).stdout
    assert "in the gradebook, but without a folder" in said and "bea, dan" in said.replace("\n", " ")
    for name in told["gone"]:
        removed = [sys.executable, "-m", "nbgrader", "db", "student", "remove", name, "--force", f"--db=sqlite:///{root}/gradebook.db"]
        subprocess.run(removed, cwd=root, check=True, capture_output=True, timeout=120)
    assert grade(root, code=1)["gone"] == [] and set(totals(root)) == set(RIGHT) - {"bea", "dan"} | {"beatrice"}


@pytest.mark.parametrize(
    "what",
    [
        "update grade set auto_score = auto_score + 1 where id in (select max(id) from grade)",
        "update comment set auto_comment = 'no response at all' where id in (select max(id) from comment)",
        "update submitted_assignment set timestamp = '2020-01-01 00:00:00' where student_id = 'ann'",
    ],
)
def test_a_row_that_is_not_what_the_run_wrote_is_written_again(root: Path, what: str) -> None:
    grade(root)
    before = {table: rows(root, f"select * from {table} order by id") for table in ("grade", "comment")}
    changed(root, what)
    again = grade(root)
    assert (again["graded"], again["skipped"]) == (1, 6)
    assert {table: rows(root, f"select * from {table} order by id") for table in before} == before


def test_a_file_that_is_gone_is_written_again(root: Path) -> None:
    grade(root)
    (root / "autograded" / "ann" / ASSIGNMENT / f"{NOTEBOOK}.ipynb").unlink()
    assert grade(root)["graded"] == 1
    assert (root / "autograded" / "ann" / ASSIGNMENT / f"{NOTEBOOK}.ipynb").is_file()


def test_a_due_date_and_a_late_plugin_are_applied_to_who_is_graded_already(root: Path) -> None:
    Learner(root, "ann").folder.joinpath("timestamp.txt").write_text("2026-02-02 10:00:00 UTC")
    grade(root)
    (root / "half.py").write_text(
        "from nbgrader.plugins import BasePlugin\n\n\nclass Half(BasePlugin):\n"
        "    def late_submission_penalty(self, student_id, score, total_seconds_late):\n        return score / 2\n"
    )
    (root / "nbgrader_config.py").write_text(
        f"import sys\nsys.path.insert(0, {str(root)!r})\nc = get_config()\nc.AssignLatePenalties.plugin_class = 'half.Half'\n"
    )
    changed(root, "update assignment set duedate = '2026-02-01 10:00:00'")
    assert grade(root)["graded"] == 7
    assert rows(root, "select sum(late_submission_penalty) from submitted_notebook") == [(FULL / 2,)]
    assert grade(root)["skipped"] == 7


def test_who_has_no_usable_time_stamp_is_named_where_there_is_a_date(root: Path) -> None:
    for learner in ("ann", "cem", "dan", "eva", "fay", "wim"):
        Learner(root, learner).folder.joinpath("timestamp.txt").write_text("2026-02-02 10:00:00 UTC")
    Learner(root, "cem").folder.joinpath("timestamp.txt").write_text("no time")
    assert grade(root)["untimed"] == [], "without a date nobody is late"
    changed(root, "update assignment set duedate = '2026-02-01 10:00:00'")
    assert grade(root)["untimed"] == ["bea", "cem"]
    Learner(root, "ann").folder.joinpath("timestamp.txt").unlink()  # the gradebook keeps the earlier time
    done = subprocess.run(command(root, checks=CHECKS), cwd=REPOSITORY, capture_output=True, text=True, timeout=120)
    assert "no usable time stamp, so in time unless an earlier one was late: ann, bea, cem\n" in done.stdout and done.returncode == 0
    assert grade(root)["skipped"] == 7 and grade(root)["untimed"] == ["ann", "bea", "cem"]


def test_a_grade_by_hand_waits_again_only_for_another_submission(root: Path, tmp_path: Path) -> None:
    demo, checks = tinycourse.own_checks(tmp_path, "by_hand_checks")
    text = demo.read_text()
    grade(root, checks=checks)
    changed(root, "update grade set manual_score = 1.5, needs_manual_grade = 0 where auto_score = 3.0")
    demo.write_text(text.replace("Write mode = 'fine'.", "Write 'fine'."))
    assert grade(root, checks=checks)["partly"] == 7
    asked = "select sum(needs_manual_grade), count(*) from grade where manual_score = 1.5"
    assert rows(root, asked) == [(0, 6)]
    Learner(root, "ann").answer("answer-demo-double", tinycourse.RIGHT + "\n# once more\n")
    assert grade(root, checks=checks)["graded"] == 1
    assert rows(root, asked) == [(1, 6)]


def test_a_submission_that_is_too_large_to_be_known_again_is_named(root: Path) -> None:
    many = Learner(root, "ann").evidence / "x"
    many.mkdir()
    for number in range(5_001):
        (many / str(number)).touch()
    assert grade(root)["too_large"] == ["ann"]
    changed(root, "update grade set manual_score = 1.5, needs_manual_grade = 0 where auto_score = 3.0")
    said = subprocess.run(command(root), cwd=REPOSITORY, capture_output=True, text=True, timeout=120).stdout
    assert (
        "1 graded, 6 were graded already" in said and "too large to be known again" in said and "wait again: ann" in said.replace("\n", " ")
    )
    assert rows(root, "select count(*) from grade where manual_score = 1.5 and needs_manual_grade") == [(1,)]


def test_one_run_at_a_time(root: Path) -> None:
    holder = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(holder, fcntl.LOCK_EX)
        assert "another class run is at work here" in grade(root, code=2)["said"]
    finally:
        os.close(holder)
    assert grade(root)["graded"] == 7


def test_a_copied_course_does_not_grade_the_one_it_was_copied_from(root: Path, tmp_path: Path) -> None:
    (root / "nbgrader_config.py").write_text(f"c = get_config()\nc.CourseDirectory.root = {str(root)!r}\n")
    copy = shutil.copytree(root, tmp_path / "copy")
    assert f"--course-dir {root}" in grade(copy, code=2)["said"].replace("\n", "")
    assert not (root / "autograded").exists() and grade(root)["graded"] == 7


def test_the_configuration_in_the_docs_makes_a_course_beside_the_checkout(root: Path) -> None:
    page = (REPOSITORY / "docs" / "grading.md").read_text()
    told = page.partition("### A course folder beside the checkout")[2].partition("```python\n")[2].partition("```")[0]
    (root / "nbgrader_config.py").write_text(told.replace("/path/to/checkout", str(REPOSITORY)))
    script = (
        "from traitlets.config import PyFileConfigLoader as L\nc = L('nbgrader_config.py', path='.').load_config()\n"
        "import grading\nprint(c.CourseDirectory.root, c.Autograde.exporter_class, grading.__file__, sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-I", "-c", script], cwd=root, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == [str(root), "grading.plugins.RebuildingExporter", str(REPOSITORY / "grading" / "__init__.py")]
    assert grade(root)["graded"] == 7


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--assignment", "other"), f"It has: {ASSIGNMENT}."),
        (("--assignment", "../x"), "no name of an assignment"),
        (("--checks", "nowhere_checks"), "cannot be loaded"),
        (("--address", "1.2.3.4:5"), "--address is for --engine ray"),
        (("--course-dir", "/nowhere"), "there is no such folder"),
    ],
)
def test_a_wrong_option_is_one_sentence_and_leaves_nothing(root: Path, more: tuple[str, ...], said: str) -> None:
    before = sorted(root.iterdir())
    assert said in grade(root, *more, code=2)["said"]
    assert sorted(root.iterdir()) == before


@pytest.mark.parametrize("empty", [False, True])
def test_a_folder_without_a_gradebook_is_told_so_and_gets_none(root: Path, empty: bool) -> None:
    (root / "gradebook.db").unlink()
    if empty:  # what SQLite leaves where somebody only looked
        (root / "gradebook.db").touch()
    before = sorted(root.iterdir())
    said = grade(root, code=2)["said"]
    assert f"there is no gradebook. Run `nbgrader generate_assignment {ASSIGNMENT}` there first." in said
    assert sorted(root.iterdir()) == before


def test_a_database_of_something_else_is_not_called_damaged(root: Path) -> None:
    (root / "gradebook.db").unlink()
    with sqlite3.connect(root / "gradebook.db") as book:
        book.execute("create table birds (name text)")
    said = grade(root, code=2)["said"]
    assert "Is --course-dir the right folder?" in said and "generate_assignment" in said and "damaged" not in said


def test_a_broken_check_is_told_once_with_its_traceback_in_the_summary(root: Path) -> None:
    for name in ("ann", "bea"):
        Learner(root, name).record("demo-fault", mode="crash")
    done = subprocess.run(command(root, checks=CHECKS), cwd=REPOSITORY, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and "ann and 1 more: demo-fault" in done.stdout and done.stderr == ""
    told = grade(root, code=1)
    assert "secret-of-the-grader" in told["faults"]["demo-fault"] and sys.executable not in done.stdout
