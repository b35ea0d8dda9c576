"""The quiz as it is written and graded: every answer hears something, partial points are partial, and a text waits for a person."""

import json
import re
from itertools import permutations
from types import SimpleNamespace

import nbformat
import pytest

from grading.checks import exercises_quiz as hidden
from grading.submission import Submission
from labkit.evidence import BadEvidence
from labkit.lane import Lane
from labkit.quiz import bank
from labkit.quiz.bank import STATES, feedback, questions, shuffled
from labkit.quiz.given import understand
from labkit.recorder import Recorder
from tests.lessons.conftest import ROOT
from tools.lesson import BadLesson, lessons, read
from tools.quiz import _solution, key, read_quiz
from tools.quiz import bank as make_bank

POINTS = 4.0
QUIZ = read_quiz()
TOKEN = "0123456789abcdef"


def wrong_answers(name):
    """Every wrong answer that the author of a question thought of, with what is said of it."""
    question, written = questions()[name], QUIZ[name]
    for entry, text in written.why.items():
        if entry == "right":
            continue
        right = set(written.chosen) if isinstance(written.chosen, list) else set()
        made = {
            "choice": lambda entry=entry: [entry],
            "number": lambda entry=entry: int(entry),
            "answers": lambda entry=entry, right=right: sorted(right ^ {entry}),
            "order": lambda entry=entry: next(
                list(order)
                for order in permutations(written.chosen)
                if next(said for said in STATES["order"](order, ()) if bank.tag(name, said) in question.sealed)
                == "<".join(reversed(entry.split(" < ")))
            ),
        }[written.kind]()
        yield made, text


def answered(folder, wrong=(), absent=()):
    """A submission of ann's: right answers, but for some."""
    recorder = Recorder(folder / "evidence", "ann", Lane("cpu", ("a test",), "float32"))
    wrong = dict(wrong)
    for name, right in key(QUIZ).items():
        if name not in absent:
            recorder.write(f"quiz-{name}", facts={"chosen": wrong.get(name, right), "tries": 1})
    return Submission(folder, "ann")


# As written


def test_there_are_twenty_questions_of_four_kinds_two_to_four_in_a_lesson():
    kinds = [question.kind for question in QUIZ.values()]
    assert len(kinds) == 20
    assert min(kinds.count(kind) for kind in STATES) >= 3
    by_lesson = [len(lesson.questions) for lesson in lessons(ROOT / "lessons")]
    assert sum(by_lesson) == 20 and all(2 <= count <= 4 for count in by_lesson)


def test_the_committed_bank_and_key_are_what_quiz_yaml_says():
    assert hidden.key() == key(QUIZ)
    places = [(question.id, question.lesson, question.heading) for question in questions().values()]
    assert list(questions().values()) == list(bank.read_bank(json.dumps(make_bank(QUIZ, places))).values())


@pytest.mark.parametrize("name", QUIZ)
def test_the_right_answer_is_right_and_every_other_known_one_hears_its_own_reason(name):
    question = questions()[name]
    heard = feedback(question, QUIZ[name].chosen)
    assert heard.right and heard.why == " ".join(QUIZ[name].why["right"].split())
    assert hidden.is_right(name, QUIZ[name].chosen)
    for chosen, text in wrong_answers(name):
        heard = feedback(question, chosen)
        assert not heard.right and heard.why == " ".join(text.split()), chosen
        assert not hidden.is_right(name, chosen)


@pytest.mark.parametrize("name", QUIZ)
def test_what_the_solved_notebook_says_is_the_right_answer_for_every_learner(name):
    question = questions()[name]
    for learner in range(5):
        assert hidden.is_right(name, understand(question, shuffled(question, TOKEN[:-1] + str(learner)), _solution(QUIZ[name])))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("answer: many", "answer: plenty", "names them"),
        ("  few: A", "  many: A", "why"),
        ("kind: choice", "kind: essay", "kind"),
        ("answer: many", "answer: 6", "answer"),
        ("answer: many", "answer: many\n  unit: layers", "neither"),
        ("few: A handful of layers, ", "", "3 to 8 options"),
        ("A handful of layers", "Thirty layers", "begin alike"),
        ("id: layers", "id: Layers!", "id"),
        ("  why:\n", "  because:\n", "It needs id"),
        ("- id", "- 5\n- id", "not a question"),
        ("kind: choice", "kind: order", "order needs all options"),
    ],
)
def test_a_question_that_cannot_be_asked_says_why(tmp_path, old, new, words):
    from tests.lessons.test_builder import QUIZ as ONE

    path = tmp_path / "quiz.yaml"
    path.write_text(ONE.replace(old, new, 1))
    with pytest.raises(BadLesson, match=words):
        read_quiz(path)


def test_a_question_stands_in_one_place_and_an_id_is_used_once(tmp_path):
    from tests.lessons.test_builder import QUIZ as ONE

    path = tmp_path / "quiz.yaml"
    path.write_text(ONE + ONE)
    with pytest.raises(BadLesson, match="two questions"):
        read_quiz(path)
    path.write_text(ONE)
    for places in ([], [("layers", "00", "a"), ("layers", "01", "b")]):
        with pytest.raises(BadLesson, match=f"stands {len(places)} times"):
            make_bank(read_quiz(path), places)


# As graded


def test_all_right_is_all_points(tmp_path):
    verdict = hidden.knowledge_check(answered(tmp_path), POINTS)
    assert (verdict.state, verdict.points) == ("passed", POINTS)


def test_each_right_answer_counts_the_same(tmp_path):
    verdict = hidden.knowledge_check(answered(tmp_path, {"nvcc": ["minor"], "warps": 3}, absent=["borrowed"]), POINTS)
    assert verdict.points == 3.4
    assert "17 of 20" in verdict.seen and "2 not right (01_environment, 03_debuggers)" in verdict.seen
    assert "1 not answered (00_start_here)" in verdict.seen
    assert QUIZ["nvcc"].why["minor"] in verdict.next_step


def test_what_is_missing_is_named_with_its_place(tmp_path):
    verdict = hidden.knowledge_check(answered(tmp_path, absent=["warps"]), POINTS)
    assert verdict.points == 3.8
    assert "03_debuggers" in verdict.next_step and questions()["warps"].heading in verdict.next_step


@pytest.mark.parametrize("name", [name for name, question in QUIZ.items() if question.kind in ("choice", "number")])
def test_the_message_about_a_wrong_answer_does_not_give_the_right_one(tmp_path, name):
    question = QUIZ[name]
    right = str(question.answer) if question.kind == "number" else question.options[str(question.answer)].casefold()
    for number, (chosen, text) in enumerate(wrong_answers(name)):
        verdict = hidden.knowledge_check(answered(tmp_path / str(number), {name: chosen}), POINTS)
        said = " ".join(text.split())
        assert verdict.points == 3.8 and said in verdict.next_step
        assert right not in (re.findall(r"\d+", said) if question.kind == "number" else said.casefold())


@pytest.mark.parametrize("chosen", [None, "recorded", ["recorded", "live"], ["nothing"], [["recorded"]], {"recorded": True}, 7, True])
def test_a_hostile_answer_counts_as_none(tmp_path, chosen):
    verdict = hidden.knowledge_check(answered(tmp_path, {"borrowed": chosen}), POINTS)
    assert verdict.points == 3.8 and "1 not answered" in verdict.seen


def test_a_damaged_record_costs_its_own_question_only(tmp_path):
    submission = answered(tmp_path)
    (tmp_path / "evidence" / "quiz-warps.json").write_text("[" * 5000)
    assert hidden.knowledge_check(submission, POINTS).points == 3.8


def test_no_answer_at_all_and_somebody_elses_are_bad_evidence(tmp_path):
    with pytest.raises(BadEvidence, match="not there yet"):
        hidden.knowledge_check(Submission(tmp_path, "ann"), POINTS)
    answered(tmp_path)
    with pytest.raises(BadEvidence, match="recorded by 'ann'"):
        hidden.knowledge_check(Submission(tmp_path, "bob"), POINTS)


# As nbgrader keeps it


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course of one notebook, with the check of the quiz and a text to be graded by hand, after `nbgrader generate_assignment`."""
    from nbgrader.apps import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config import PyFileConfigLoader

    from tests.lessons.test_builder import BY_HAND, BY_QUIZ, LESSON

    root = tmp_path_factory.mktemp("course")
    (root / "source/day2").mkdir(parents=True)
    text = root / "06_exercises.md"
    text.write_text(LESSON.partition("## An exercise")[0] + BY_QUIZ + BY_HAND)
    nbformat.write(read(text).notebook, root / "source/day2/06_exercises.ipynb")
    config = PyFileConfigLoader("nbgrader_config.py", path=str(ROOT)).load_config()
    config.CourseDirectory.root = str(root)
    api = NbGraderAPI(CourseDirectory(config=config), config=config)
    made = api.generate_assignment("day2")
    assert made["success"], made
    return SimpleNamespace(root=root, api=api)


def hand_in(course, written, wrong=(), absent=()):
    """Autograde ann's submission; return {grade id: (points, waits for a person)}, the autograded text cell, and the feedback."""
    from nbgrader.api import Gradebook

    folder = course.root / "submitted/ann/day2"
    if folder.exists():
        for path in (folder / "evidence").glob("*"):
            path.unlink()
    answered(folder, wrong, absent)
    notebook = nbformat.read(course.root / "release/day2/06_exercises.ipynb", as_version=4)
    cell = next(c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == "exercises-reflection")
    cell.source = written or cell.source
    nbformat.write(notebook, folder / "06_exercises.ipynb")
    done = course.api.autograde("day2", "ann", force=True)
    assert done["success"], done
    assert course.api.generate_feedback("day2", "ann", force=True)["success"]
    with Gradebook(f"sqlite:///{course.root / 'gradebook.db'}", "vllm-day2") as book:
        kept = book.find_submission_notebook("06_exercises", "day2", "ann")
        grades = {grade.name: (grade.auto_score, grade.needs_manual_grade) for grade in kept.grades}
    graded = nbformat.read(course.root / "autograded/ann/day2/06_exercises.ipynb", as_version=4)
    text = next(c for c in graded.cells if c.metadata.get("nbgrader", {}).get("grade_id") == "exercises-reflection")
    return grades, text, (course.root / "feedback/ann/day2/06_exercises.html").read_text()


@pytest.mark.real
def test_partial_points_reach_the_gradebook_and_a_text_waits_for_a_person(course):
    grades, text, feedback_page = hand_in(
        course, "I measured 3 % and would repeat it.", {"nvcc": ["minor"], "slow_debug": ["gdb"]}, ["warps"]
    )
    assert grades == {"exercises-knowledge_check": (3.4, False), "exercises-reflection": (None, True)}
    assert (text.cell_type, text.source) == ("markdown", "I measured 3 % and would repeat it.")
    assert "3.4 of 4 points" in feedback_page and "I measured 3 %" in feedback_page
    assert "nobody else" not in feedback_page and "HIDDEN TESTS" not in feedback_page


@pytest.mark.real
def test_a_text_that_was_not_touched_is_worth_nothing_and_all_right_is_all(course):
    grades, _, _ = hand_in(course, "")
    assert grades == {"exercises-knowledge_check": (4.0, False), "exercises-reflection": (0, False)}


@pytest.mark.real
def test_nothing_answered_is_nothing(course):
    grades, _, feedback_page = hand_in(course, "", absent=list(QUIZ))
    assert grades["exercises-knowledge_check"] == (0.0, False)
    assert "not there yet" in feedback_page
