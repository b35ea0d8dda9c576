"""Which questions are open, lesson by lesson. Whether an answer is right is not said here."""

from collections.abc import Iterable

from labkit import show
from labkit.checks.exercises_quiz import standing
from labkit.evidence import Evidence
from labkit.quiz.bank import Question, questions


def show_open(evidence: Evidence) -> None:
    """Show a table: lesson, how many questions stand there, how many have an answer, and under which headings the others stand."""
    by_lesson: dict[str, list[Question]] = {}
    for question in questions().values():
        by_lesson.setdefault(question.lesson, []).append(question)
    cells = [_row(lesson, asked, evidence) for lesson, asked in by_lesson.items()]
    answered = sum(int(row[2]) for row in cells)
    show.table(
        f"The quiz: {answered} of {len(questions())} questions have an answer", ("lesson", "questions", "answered", "still open"), cells
    )


def _row(lesson: str, asked: Iterable[Question], evidence: Evidence) -> tuple[str, str, str, str]:
    listed = list(asked)
    left = [question for question in listed if standing(question, evidence) is not None]
    still = "; ".join(f"question {question.number}, under “{question.heading}”" for question in left)
    return lesson, str(len(listed)), str(len(listed) - len(left)), still or "none"
