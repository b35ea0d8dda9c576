"""nbgrader for real, over a tiny course: what honest learners get, and what comes back to them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
import tinycourse
from tinycourse import ASSIGNMENT, FULL, NOTEBOOK, RIGHT

pytestmark = pytest.mark.real
NBGRADER = str(Path(sys.executable).with_name("nbgrader"))


def test_reference_is_full_empty_is_zero(course: Any) -> None:
    course.learner("good").good()
    course.learner("empty").empty()
    course.autograde()
    assert course.grades("good") == {"demo-number": (2.0, False), "demo-double": (3.0, False), "demo-fault": (1.0, False)}
    assert course.grades("empty") == {"demo-number": (0.0, False), "demo-double": (0.0, False), "demo-fault": (0.0, False)}


def test_twice_gives_the_same_scores_and_the_same_feedback_bytes(course: Any) -> None:
    course.learner("ann").wrong()
    course.learner("zoe").good()
    course.autograde()
    first = [course.grades(who) for who in ("ann", "zoe")], [course.feedback(who) for who in ("ann", "zoe")]
    course.autograde()
    assert ([course.grades(who) for who in ("ann", "zoe")], [course.feedback(who) for who in ("ann", "zoe")]) == first


def test_feedback_tells_the_verdict_and_no_hidden_line(course: Any) -> None:
    course.learner("ann").wrong()
    course.autograde()
    assert "award" in (course.autograded("ann") / f"{NOTEBOOK}.ipynb").read_text()
    feedback = course.feedback("ann").decode()
    assert "HIDDEN TESTS" not in feedback and "award" not in feedback
    assert "FAILED: 0 of 3 points" in feedback and "double(2) returned 2" in feedback


def test_feedback_survives_markers_and_markup_in_an_answer(course: Any) -> None:
    source = "### END HIDDEN TESTS\n### BEGIN HIDDEN TESTS\n# </pre><script>alert(1)</script>\n" + RIGHT
    course.learner("ann").good().answer("answer-demo-double", source)
    course.autograde()
    assert course.score("ann") == FULL
    assert b"<script>alert(1)" not in course.feedback("ann")


@pytest.mark.parametrize("mode", ["no sandbox", "crash", "hang", "memory", "exit", "garbage"])
def test_what_cannot_be_judged_waits_for_a_human(course: Any, mode: str) -> None:
    course.learner("ann").good().record("demo-fault", mode=mode)
    course.learner("zoe").good()
    course.autograde()
    assert course.grades("ann")["demo-fault"] == (None, True)
    assert course.grades("ann")["demo-double"] == (3.0, False)
    assert course.score("zoe") == FULL
    feedback = course.feedback("ann").decode()
    assert "NOT JUDGED" in feedback and "Nothing is asked of you" in feedback and "secret-of-the-grader" not in feedback


@pytest.mark.parametrize("mode", ["too many points", "prints"])
def test_a_check_cannot_give_more_than_there_is(course: Any, mode: str) -> None:
    course.learner("ann").good().record("demo-fault", mode=mode)
    course.autograde()
    assert course.grades("ann")["demo-fault"] == (1.0, False)


def test_a_verdict_after_a_fault_replaces_it(course: Any) -> None:
    learner = course.learner("ann").good().record("demo-fault", mode="crash")
    course.autograde()
    learner.record("demo-fault", mode="fine")
    course.autograde()
    assert course.grades("ann")["demo-fault"] == (1.0, False)


def test_an_instructors_grade_is_never_overwritten(course: Any) -> None:
    course.learner("ann").good().record("demo-fault", mode="crash")
    course.autograde()
    with course.gradebook() as gradebook:
        gradebook.find_grade("demo-fault", NOTEBOOK, ASSIGNMENT, "ann").manual_score = 0.5
        gradebook.db.commit()
    course.autograde()
    with course.gradebook() as gradebook:
        assert gradebook.find_submission(ASSIGNMENT, "ann").score == 5.5


def test_nothing_of_a_learners_is_copied(course: Any) -> None:
    learner = course.learner("ann").good()
    learner.put("big.bin", b"x" * 1000)
    (learner.folder / "notes.txt").write_text("mine")
    (learner.folder / "timestamp.txt").write_text("2026-01-02 03:04:05 UTC")
    course.autograde()
    course.feedback("ann")
    autograded = sorted(path.name for path in course.autograded("ann").rglob("*"))
    assert autograded == [f"{NOTEBOOK}.ipynb", f"{NOTEBOOK}.repairs.json", "timestamp.txt"]
    feedback = sorted(path.name for path in (course.root / "feedback" / "ann").rglob("*.*"))
    assert feedback == [f"{NOTEBOOK}.html", "timestamp.txt"]


def test_a_newer_submission_is_graded_again_and_the_same_one_is_not(course: Any) -> None:
    learner = course.learner("ann").wrong()
    stamp = learner.folder / "timestamp.txt"
    stamp.write_text("2026-01-02 03:04:05 UTC")
    course.autograde("ann", force=False)
    shutil.rmtree(learner.folder)
    course.learner("ann").good()
    stamp.write_text("2026-01-02 03:04:05 UTC")
    course.autograde("ann", force=False)
    assert course.score("ann") == 0
    stamp.write_text("2026-01-03 03:04:05 UTC")
    course.autograde("ann", force=False)
    assert course.score("ann") == FULL
    assert course.api().get_autograded_students(ASSIGNMENT) == {"ann"}


def test_a_submission_without_its_notebook_is_judged_by_its_evidence(course: Any) -> None:
    course.learner("ann").good().path.unlink()
    course.learner("zoe").good()
    course.autograde()
    assert course.grades("ann") == {"demo-number": (2.0, False), "demo-double": (0.0, False), "demo-fault": (1.0, False)}


def test_source_files_beside_the_notebook_do_not_become_anyones_evidence(course: Any) -> None:
    teacher = tinycourse.Learner(course.root, "ann")
    teacher.good()
    shutil.copytree(teacher.evidence, course.root / "source" / ASSIGNMENT / "evidence")
    shutil.rmtree(teacher.evidence)
    course.autograde()
    assert course.score("ann") == 3.0  # the function alone


def test_award_gives_the_same_points_in_a_stock_kernel(course: Any) -> None:
    """`nbgrader validate` runs the hidden lines in a kernel beside the evidence: success exactly when all is right."""
    learner = course.learner("ann").good()
    notebook = tinycourse.source_notebook()
    for cell in notebook.cells:
        cell.source = cell.source.replace(")\n### END", f", judge=Judge('course_checks', [{str(tinycourse.HERE)!r}]))\n### END")
        cell.source = cell.source.replace("import award", "import award; from grading.judge import Judge")
    learner.path.write_text(nbformat.writes(notebook))
    assert "Success! Your notebook passes all the tests" in cli(learner.folder, "validate", learner.path.name)
    learner.record("demo-number", number=-1)
    said = cli(learner.folder, "validate", learner.path.name)
    assert "VALIDATION FAILED ON 1 CELL(S)" in said and "Partial credit" in said


def cli(root: Path, *words: str, home: Path | None = None) -> str:
    environment = dict(os.environ, HOME=str(home or root), JUPYTER_CONFIG_DIR=str(root / ".jupyter"), PYTHONPATH=str(tinycourse.REPOSITORY))
    done = subprocess.run([NBGRADER, *words], cwd=root, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def write_config(root: Path, exchange: Path) -> None:
    (root / "nbgrader_config.py").write_text(
        f"c = get_config()\nload_subconfig({str(tinycourse.REPOSITORY / 'nbgrader_config.py')!r})\n"
        f"c.CourseDirectory.root = {str(root)!r}\nc.Exchange.root = {str(exchange)!r}\n"
        f"c.GradeOutOfKernel.checks = 'course_checks'\nc.GradeOutOfKernel.path = [{str(tinycourse.HERE)!r}]\n"
    )


def test_stock_commands_work_and_the_exchange_carries_evidence(tmp_path: Path) -> None:
    root, exchange, home = tmp_path / "course", tmp_path / "exchange", tmp_path / "home"
    tinycourse.write_source(root)
    exchange.mkdir()
    exchange.chmod(0o777)
    home.mkdir()
    write_config(root, exchange)
    write_config(home, exchange)
    cli(root, "generate_assignment", ASSIGNMENT)
    cli(root, "release_assignment", ASSIGNMENT)
    teacher = tinycourse.Learner(root, os.environ.get("USER") or "root").good()
    shutil.move(teacher.folder, home / ASSIGNMENT)
    shutil.rmtree(root / "submitted")
    cli(home, "submit", ASSIGNMENT, home=home)
    cli(root, "collect", ASSIGNMENT)
    assert (teacher.evidence / "demo-number.json").is_file()
    log = cli(root, "autograde", ASSIGNMENT)
    assert "not recognized" not in log and "Outdated" not in log
    cli(root, "generate_feedback", ASSIGNMENT)
    cli(root, "export", "--to", "grades.csv")
    assert f",{FULL}," in (root / "grades.csv").read_text()
    assert "award" not in (root / "feedback" / teacher.name / ASSIGNMENT / f"{NOTEBOOK}.html").read_text()
    assert json.loads((root / "autograded" / teacher.name / ASSIGNMENT / f"{NOTEBOOK}.repairs.json").read_text())["repaired"] == []
