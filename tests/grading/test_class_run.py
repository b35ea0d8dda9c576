"""Class runs over the tiny course: what is skipped, what is judged again, and what a kill or a damaged file costs: time, never a grade."""

import importlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import tinycourse
from tinycourse import ASSIGNMENT, FULL, HERE, REPOSITORY, Learner

from grading.classrun import reach, sources
from grading.registry import load_checks

pytestmark = pytest.mark.real
CHECKS = ("--checks", "course_checks", "--path", str(HERE))


def command(root: Path, *more: str, checks: tuple[str, ...] = CHECKS) -> list[str]:
    return [sys.executable, "-m", "grading", "class", "--course-dir", str(root), "--assignment", ASSIGNMENT, "--jobs", "2", *checks, *more]


def grade(root: Path, *more: str, code: int = 0, checks: tuple[str, ...] = CHECKS) -> dict[str, Any]:
    done = subprocess.run(command(root, *more, checks=checks), cwd=REPOSITORY, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stdout
    return json.loads((root / f"{ASSIGNMENT}.class.json").read_text()) if code != 2 else {"said": done.stderr}


def totals(root: Path) -> dict[str, float]:
    asked = (
        "select sa.student_id, sum(g.auto_score) from submitted_assignment sa join submitted_notebook sn on sn.assignment_id = sa.id "
        "join grade g on g.notebook_id = sn.id group by 1"
    )
    with sqlite3.connect(root / "gradebook.db") as book:
        return dict(book.execute(asked).fetchall())


RIGHT = dict.fromkeys(("ann", "bea", "cem", "dan", "eva", "fay"), FULL) | {"wim": 0.0}


def test_a_second_run_grades_nothing_and_a_changed_submission_alone(root: Path) -> None:
    assert grade(root)["graded"] == 7 and totals(root) == RIGHT
    second = grade(root)
    assert (second["graded"], second["skipped"]) == (0, 7)
    Learner(root, "wim").answer("answer-demo-double", tinycourse.RIGHT)
    third = grade(root)
    assert (third["graded"], third["skipped"]) == (1, 6)
    assert third["changes"] == [{"learner": "wim", "grade_id": "demo-double", "before": 0.0, "after": 3.0}]


def test_a_changed_check_is_judged_again_and_the_others_are_not(root: Path, tmp_path: Path) -> None:
    demo, checks = tinycourse.own_checks(tmp_path, "split_checks")
    text = demo.read_text()
    assert grade(root, checks=checks)["graded"] == 7
    demo.write_text("# a comment is no other check\n" + text)
    assert grade(root, checks=checks)["skipped"] == 7
    demo.write_text(text.replace("Case((2,), 4)", "Case((2,), 5)"))
    again = grade(root, checks=checks)
    assert (again["graded"], again["partly"], again["skipped"]) == (7, 7, 0)
    assert {one["grade_id"] for one in again["changes"]} == {"demo-double"} and len(again["changes"]) == 6


def test_a_check_is_another_when_what_it_reaches_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "reached_checks"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "helper.py").write_text("LIMIT = 1\n")
    (package / "table.json").write_text("{}")
    monkeypatch.syspath_prepend(tmp_path)
    text = (
        "from reached_checks import helper\nMOST = 5\nWORDS = {'a': 1}\nNAMED = 'table.json'\n\n\ndef _inner():\n    return MOST\n\n\n"
        "def one(submission, points):\n    'One.'\n    return _inner()\n\n\n"
        "def two(submission, points):\n    'Two.'\n    return helper.LIMIT, WORDS, NAMED\n\n\nCHECKS = [one, two]\n"
    )

    def digests(now: str) -> dict[str, str]:
        (package / "demo.py").write_text(now)
        for cached in (
            sources.code_digest,
            sources.imports_of,
            sources.source_of,
            sources.tree_of,
            sources.digest_of,
            sources.claimed,
            reach._slice,
        ):
            cached.cache_clear()
        sources._files.cache_clear()
        for name in [name for name in sys.modules if name.startswith("reached_checks.")]:
            del sys.modules[name]
        importlib.invalidate_caches()
        return reach.check_digests(load_checks("reached_checks"))

    def changed(now: str) -> set[str]:
        after = digests(now)
        return {one for one in after if after[one] != before[one]}

    before = digests(text)
    assert changed(text.replace("\n\n\n", "\n# why\n\n\n")) == set()
    assert changed(text.replace("MOST = 5", "MOST = 6")) == {"demo-one"}
    assert changed(text.replace("'a': 1", "'a': 2")) == {"demo-two"}
    assert changed(text.replace("'One.'", "'Else.'")) == {"demo-one"}, "a check's first line is what the learner reads"
    both = {"demo-one", "demo-two"}
    for anything in ("WORDS.update(b=2)", "_ = WORDS.update(b=2)", "WORDS['a'] = [r for r in (2,)]"):
        assert changed(text + anything + "\n") == both, "a statement that binds nothing may do anything"
    for hidden in ("def noted(f):\n    return f\n\n\n@noted\ndef more():\n    return 1\n", "from os import *\n", "HERE = globals()\n"):
        before = digests(text + hidden)
        assert changed(text.replace("MOST = 5", "MOST = 6") + hidden) == both, "its text does not show what leads where"
    before = digests(text)
    (package / "__init__.py").write_text("LOUD = True\n")
    assert changed(text) == both
    (package / "__init__.py").write_text("")
    (package / "helper.py").write_text("LIMIT = 2\n")
    assert changed(text) == {"demo-two"}
    (package / "helper.py").write_text("LIMIT = 1\n")
    (package / "table.json").write_text("[]")
    assert changed(text) == {"demo-two"}


def test_a_score_by_hand_stays_and_waits_for_a_second_look(root: Path) -> None:
    grade(root)
    with sqlite3.connect(root / "gradebook.db") as book:
        book.execute("update grade set manual_score = 1.5 where auto_score = 3.0")
    grade(root, "--force")
    with sqlite3.connect(root / "gradebook.db") as book:
        assert set(book.execute("select manual_score, needs_manual_grade from grade where auto_score = 3.0")) == {(1.5, 1)}


def test_an_older_gradebook_put_back_is_filled_again(root: Path) -> None:
    shutil.copy(root / "gradebook.db", root / "older.db")
    grade(root)
    shutil.copy(root / "older.db", root / "gradebook.db")
    assert grade(root)["graded"] == 7 and totals(root) == RIGHT


def test_a_damaged_ledger_costs_time_and_a_damaged_gradebook_stops_the_run(root: Path) -> None:
    grade(root)
    (root / f"{ASSIGNMENT}.class.db").write_bytes(b"not a database" * 100)
    assert grade(root)["graded"] == 7 and totals(root) == RIGHT
    book = (root / "gradebook.db").read_bytes()
    (root / "gradebook.db").write_bytes(b"not a database" * 100)
    assert "run the same command again" in grade(root, code=2)["said"]
    (root / "gradebook.db").write_bytes(book)
    assert totals(root) == RIGHT and grade(root)["skipped"] == 7


def test_what_the_grader_cannot_judge_waits_with_a_reason(root: Path) -> None:
    Learner(root, "gus").good().record("demo-fault", mode="crash")
    said = grade(root, code=1)
    assert list(said["waiting"]) == ["gus"] and "KeyError inside the grader" in said["waiting"]["gus"][0]
    assert totals(root)["gus"] == FULL - 1.0


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_random_again_and_again_nothing_is_lost_or_doubled(root: Path, seed: int) -> None:
    chance = random.Random(seed)  # moments to kill at
    for _ in range(3):
        run = subprocess.Popen(command(root), cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            run.wait(timeout=chance.uniform(1.0, 5.0))
        except subprocess.TimeoutExpired:
            victims = [run.pid] if chance.random() < 0.5 else _children(run.pid) or [run.pid]
            os.kill(chance.choice(victims), signal.SIGKILL)
            if run.pid not in victims:
                run.wait(timeout=120)
        run.wait(timeout=120)
    said = grade(root)
    assert said["graded"] + said["skipped"] == 7 and totals(root) == RIGHT
    with sqlite3.connect(root / "gradebook.db") as book:
        assert book.execute("select count(*), count(distinct notebook_id || cell_id) from grade").fetchone() == (21, 21)
    assert not list((root / "autograded").glob("*/.*"))


def test_workers_end_with_a_killed_parent(root: Path) -> None:
    run = subprocess.Popen(command(root), cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while not (workers := _children(run.pid)) and time.monotonic() < until:
        os.sched_yield()
    while not (judging := [one for worker in workers for one in _children(worker)]) and time.monotonic() < until:
        os.sched_yield()
    workers += judging
    run.kill()
    run.wait()
    while any(Path(f"/proc/{one}").exists() for one in workers) and time.monotonic() < until:
        os.sched_yield()
    assert workers and not any(Path(f"/proc/{one}").exists() for one in workers)


def _children(pid: int) -> list[int]:
    try:
        return [int(one) for task in Path(f"/proc/{pid}/task").iterdir() for one in (task / "children").read_text().split()]
    except OSError:
        return []
