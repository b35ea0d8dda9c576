"""Visible check of the quiz: which questions have an answer, never whether it is right."""

from labkit.evidence import BadEvidence, Evidence, Missing
from labkit.quiz.bank import Question, questions, read_chosen
from labkit.rows import Row, VisibleCheck, row


def knowledge_check(evidence: Evidence) -> list[Row]:
    """Every question of the quiz has an answer. Raises the first problem when none has one, as a single record would."""
    asked = list(questions().values())
    problems = {question.id: standing(question, evidence) for question in asked}
    if all(problems.values()):
        for question in asked:
            evidence.record(question.record_id)  # raises what is wrong with it: not there, or somebody else's
    return [_row(question, problems[question.id]) for question in asked]


def standing(question: Question, evidence: Evidence) -> str | None:
    """Return what is wrong with the answer to a question, as far as that can be said without the key; None when nothing is."""
    try:
        record = evidence.record(question.record_id)
    except Missing:
        return "not answered"
    except BadEvidence as bad:
        return str(bad).partition(". Expected ")[0]
    return None if read_chosen(question, record.facts.get("chosen")) is not None else "recorded, but not as an answer to it"


def _row(question: Question, problem: str | None) -> Row:
    return row(
        f"question {question.number}", problem or "answered", "answered",
        f"It stands in {question.lesson}, under “{question.heading}”: answer it there.",
    )  # fmt: skip


CHECKS: dict[str, VisibleCheck] = {check.__name__: check for check in (knowledge_check,)}
