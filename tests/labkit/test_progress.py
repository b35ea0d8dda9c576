"""How far a learner is: read from files, whatever is in them, and said so that nobody needs colour, a mouse or a running kernel."""

import json
import re
import shutil
import time

import pytest
from typer.testing import CliRunner

from labkit import checked, cli, progress
from labkit.checked import outcomes
from labkit.checks import visible_check
from labkit.evidence import Evidence
from labkit.grades import returned_grades
from labkit.journal import Journal
from labkit.lab import Lab
from labkit.progress import overview
from labkit.progress_view import as_html, as_text, next_step, write_page
from tests.lessons.conftest import hand_in

COURSE = {"lessons": [
    {"name": "00_start_here", "title": "Start", "objective": "read <the> doctor", "minutes": {"cpu": 15, "cuda": 20}, "questions": ["one", "two"],
     "exercises": [{"grade_id": "start-what_is_graded", "title": "What is graded", "points": 2.0},
                   {"grade_id": "start-read_an_exit_code", "title": "Read an exit code", "points": 3.0}]},
    {"name": "06_exercises", "title": "Measure", "minutes": {"cpu": 60, "cuda": 60},
     "exercises": [{"grade_id": "exercises-reflection", "title": "Look back", "points": 2.0, "manual": True}]},
]}  # fmt: skip


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """Ada's first lesson in a course of three exercises."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(progress, "course", lambda: COURSE)
    return Lab("00_start_here", learner="ada", lane="cpu")


def give_back(folder, text):
    (folder / "feedback").mkdir(exist_ok=True)
    (folder / "feedback" / "grades.json").write_text(text if isinstance(text, str) else json.dumps(text))


def states(folder, learner="ada"):
    return {one.grade_id: one.state for one in overview(folder, learner, "cpu").exercises}


def test_an_exercise_goes_from_not_started_over_begun_to_checked(lab, tmp_path):
    assert states(tmp_path)["start-what_is_graded"] == "not started"
    lab.answer("start-grading-quiz", 5)
    assert states(tmp_path)["start-what_is_graded"] == "begun"
    lab.answer("start-grading-quiz", {"b", "d"})
    assert states(tmp_path)["start-what_is_graded"] == "checked"
    assert states(tmp_path)["exercises-reflection"] == "for a person to read"


def test_it_is_graded_when_the_points_came_back(lab, tmp_path):
    give_back(
        tmp_path,
        {"learner": "ada", "exercises": {"start-what_is_graded": {"points": 1, "max": 2}, "exercises-reflection": {"points": 2, "max": 2}}},
    )
    found = overview(tmp_path, "ada", "cpu")
    assert [(one.state, one.earned) for one in found.exercises] == [("graded", 1), ("not started", None), ("graded", 2)]
    assert "up to 3 of 7 points" in as_text(found)
    assert "3 of 4 points, in 2 of 3 exercises" in as_text(found)


def test_somebody_elses_grades_are_refused_politely(lab, tmp_path):
    give_back(tmp_path, {"learner": "bob", "exercises": {"start-what_is_graded": {"points": 2, "max": 2}}})
    found = overview(tmp_path, "ada", "cpu")
    assert "the grades of 'bob'. Expected those of 'ada'" in as_text(found)
    assert "graded" not in states(tmp_path).values()


HOSTILE_GRADES = [
    "{", "[]", "null", '{"learner": "ada"}', '{"learner": "ada", "exercises": []}', '{"learner": ["ada"], "exercises": {}}', "[" * 100, "x" * 300_000,
    '{"learner": "ada", "exercises": {"start-what_is_graded": {"points": NaN, "max": 2}}}',
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE_GRADES, ids=range(len(HOSTILE_GRADES)))
def test_a_damaged_file_of_grades_is_a_note_never_a_traceback(lab, tmp_path, text):
    give_back(tmp_path, text)
    found = returned_grades(tmp_path, "ada")
    assert found.points == {}
    assert "Expected" in found.note


@pytest.mark.parametrize(
    "entry", [None, 5, {}, {"points": 3, "max": 2}, {"points": -1, "max": 2}, {"points": True, "max": 2}, {"points": 1, "max": 10**400}]
)
def test_points_that_cannot_be_are_left_out(lab, tmp_path, entry):
    give_back(tmp_path, {"learner": "ada", "exercises": {"start-what_is_graded": entry}})
    assert returned_grades(tmp_path, "ada").points == {}


def test_points_of_another_maximum_are_not_this_courses(lab, tmp_path):
    give_back(tmp_path, {"learner": "ada", "exercises": {"start-what_is_graded": {"points": 900, "max": 1000}}})
    assert "graded" not in states(tmp_path).values()


def test_questions_count_when_an_answer_is_on_disk_and_minutes_come_from_the_journal(lab, tmp_path, monkeypatch):
    lab.answer("quiz-two", {"a"})
    clock = time.time()
    monkeypatch.setattr(time, "time", lambda: clock + 120)
    Journal(tmp_path, "ada", "00_start_here").note("check")
    lesson = overview(tmp_path, "ada", "cuda").lessons[0]
    assert (lesson.questions, lesson.planned, round(lesson.spent)) == ((1, 2), 20, 2)


def test_the_next_step_is_the_first_exercise_that_is_not_right_and_why(lab, tmp_path):
    lab.answer("start-grading-quiz", {"b"})
    assert next_step(overview(tmp_path, "ada", "cpu")) == 'Next: "Read an exit code" in 00_start_here, not started'
    lab.answer("start-grading-quiz", 5)
    assert re.search(r'"What is graded" in 00_start_here, begun: .+ Expected: .+', next_step(overview(tmp_path, "ada", "cpu")))


def test_when_nothing_is_left_the_next_step_is_to_hand_in(lab, tmp_path):
    give_back(
        tmp_path,
        {
            "learner": "ada",
            "exercises": {e: {"points": p, "max": p} for e, p in (("start-what_is_graded", 2), ("start-read_an_exit_code", 3))},
        },
    )
    assert "labkit submit" in next_step(overview(tmp_path, "ada", "cpu"))


def test_the_text_says_all_and_the_html_says_the_same_escaped(lab, tmp_path):
    lab.answer("start-grading-quiz", "<script>")
    found = overview(tmp_path, "ada", "cpu")
    text, page = as_text(found), as_html(found)
    for words in ("up to 0 of 7 points", "✗ begun, not in order yet", "… for a person to read", "Look back", "0 (15)"):
        assert words in text
        assert words in page
    assert "read &lt;the&gt; doctor" in page
    assert "<script>" not in page


def test_the_filter_leaves_out_and_the_page_still_has_everything(lab, tmp_path):
    found = overview(tmp_path, "ada", "cpu")
    assert "Look back" not in as_text(found, "this lesson", "00_start_here")
    assert "Look back" not in as_text(found, "open ones")
    assert "Look back" in as_html(found, "this lesson", "00_start_here").partition("<details>")[2]


def test_the_widget_filters_with_the_keyboards_own_controls(lab, tmp_path, monkeypatch):
    from labkit import progress_view

    shown = []
    monkeypatch.setattr(progress_view.show, "widget", lambda controls, plain, markup: shown.append(controls))
    lab.progress()
    _, which, table = shown[0].children
    assert (which.value, "Look back" in table.value) == ("this lesson", False)
    which.value = "all"
    assert "Look back" in table.value


def test_a_page_is_written_for_others(lab, tmp_path):
    write_page(overview(tmp_path, "ada", "cpu"), tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert page.startswith("<!doctype html><html lang=")
    assert "<h1>Progress of ada</h1>" in page


def test_the_command_line_prints_it_and_writes_the_page(lab, tmp_path):
    done = CliRunner().invoke(cli.app, ["progress", "--notebooks", str(tmp_path)])
    assert done.exit_code == 0
    assert "up to" in done.stdout
    written = CliRunner().invoke(cli.app, ["progress", "--notebooks", str(tmp_path), "--html", str(tmp_path / "p.html")])
    assert (written.exit_code, (tmp_path / "p.html").is_file()) == (0, True)


def test_a_check_runs_again_only_when_a_file_that_it_read_has_changed(lab, tmp_path, monkeypatch):
    kept, evidence = tmp_path / "work" / "kept.json", Evidence(tmp_path / "evidence", "ada")
    names = ["start-what_is_graded", "start-read_an_exit_code"]
    first = outcomes(evidence, names, kept)
    asked = []
    monkeypatch.setattr(checked, "visible_check", lambda name: asked.append(name) or visible_check(name))
    assert outcomes(evidence, names, kept) == first
    assert asked == []
    lab.answer("start-grading-quiz", 5)
    assert outcomes(evidence, names, kept)["start-what_is_graded"].wrong.what
    assert asked == ["start-what_is_graded"]
    outcomes(Evidence(tmp_path / "evidence", "bob"), names, kept)
    assert len(asked) == 3  # another learner: asked anew


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"stamp": 1}', '{"stamp": "STAMP", "checks": {"start-what_is_graded": {"files": 3}}}', "[" * 100_000]
)
def test_a_damaged_memory_is_no_memory(lab, tmp_path, monkeypatch, text):
    monkeypatch.setattr("labkit.checked._stamp", lambda: "S")
    kept = tmp_path / "work" / "kept.json"
    kept.write_text(text.replace("STAMP", f"S {(tmp_path / 'evidence').resolve()} ada"))
    assert not outcomes(Evidence(tmp_path / "evidence", "ada"), ["start-what_is_graded"], kept)["start-what_is_graded"].begun


def test_a_folder_that_cannot_be_written_is_read_all_the_same(lab, tmp_path, monkeypatch):
    shutil.rmtree(tmp_path / "work")
    (tmp_path / "work").write_text("a file is in the way")
    assert states(tmp_path)["start-what_is_graded"] == "not started"


def test_the_whole_course_is_read_in_well_under_a_second_and_from_memory_at_once(tmp_path):
    folder = hand_in("cpu-reference", tmp_path / "notebooks").folder
    began = time.process_time()
    first = overview(folder, "reference", "cpu")
    middle = time.process_time()
    again = overview(folder, "reference", "cpu")
    assert again == first
    assert time.process_time() - middle < 0.3
    assert middle - began < 5  # a busy machine: about 0.3 s is usual
