from pathlib import Path

from handed import Context, facts

from labkit.quiz.bank import questions


def attack(submission: Path, course: Context) -> None:
    """Wants texts, lists, fractions and truth values where a whole number is asked for; none of them is an answer."""
    values = iter(["6", [8], 20.0, True, "٢٠٤٨", {"x": 2048}])
    for question in questions().values():
        if question.kind == "number":
            facts(submission, question.record_id, chosen=next(values))
