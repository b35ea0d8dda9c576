"""Hidden check of the quiz. The key is a file of the grader's own; learners never get it."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from grading.submission import Submission
from grading.verdict import Verdict, clip
from labkit.checks import exercises_quiz as visible
from labkit.quiz.bank import Chosen, Question, feedback, questions, read_chosen

LESSON = "exercises"
KEY = Path(__file__).parents[1] / "quiz_key.json"  # tools/build.py writes it from lessons/quiz.yaml
DIGITS = 6  # points, so that sums of tenths are what they look like


def knowledge_check(submission: Submission, points: float) -> Verdict:
    """You answered the quiz of all lessons; each right answer counts the same."""
    visible.knowledge_check(submission.evidence)  # raises when there is no answer at all
    given = {name: _given(submission, question) for name, question in questions().items()}
    right = [name for name, chosen in given.items() if chosen is not None and is_right(name, chosen)]
    if len(right) == len(given):
        return Verdict(state="passed", points=points, seen=f"{len(right)} of {len(given)} questions right", expected="the same")
    return Verdict(
        state="failed", points=round(points * len(right) / len(given), DIGITS), seen=clip(_seen(given, right)),
        expected=f"{len(given)} of {len(given)} questions right; each counts {points / len(given):g}", next_step=clip(_next_step(given, right)),
    )  # fmt: skip


@cache
def key() -> Mapping[str, Chosen]:
    """Return the right answer of each question; those of the kind "answers" sorted."""
    found: dict[str, Chosen] = json.loads(KEY.read_text())
    return found


def is_right(question_id: str, chosen: Chosen) -> bool:
    """Whether this is the right answer."""
    kind, right = questions()[question_id].kind, key()[question_id]
    return (sorted(chosen) if kind == "answers" and isinstance(chosen, list) else chosen) == right


def _given(submission: Submission, question: Question) -> Chosen | None:
    if visible.standing(question, submission.evidence) is not None:
        return None
    return read_chosen(question, submission.evidence.record(question.record_id).facts.get("chosen"))


def _seen(given: Mapping[str, Chosen | None], right: list[str]) -> str:
    """How many are right, and where the others stand: lessons, not questions, so that it is no key."""
    wrong = [questions()[name] for name, chosen in given.items() if chosen is not None and name not in right]
    absent = [questions()[name] for name, chosen in given.items() if chosen is None]
    parts = [
        f"{len(found)} {what} ({', '.join(sorted({question.lesson for question in found}))})"
        for found, what in ((wrong, "not right"), (absent, "not answered"))
        if found
    ]
    return "; ".join([f"{len(right)} of {len(given)} questions right", *parts])


def _next_step(given: Mapping[str, Chosen | None], right: list[str]) -> str:
    """What there is to say of the first answer that is not right; else where the first question without an answer stands."""
    for name, chosen in given.items():
        if chosen is not None and name not in right:
            question = questions()[name]
            return f"Question {question.number} ({question.lesson}, “{question.heading}”): {feedback(question, chosen).why}"
    question = next(questions()[name] for name, chosen in given.items() if chosen is None)
    return f"Answer question {question.number}: it stands in {question.lesson}, under “{question.heading}”."


CHECKS = [knowledge_check]
