from pathlib import Path

from handed import Context, put

from labkit.quiz.bank import questions


def attack(submission: Path, course: Context) -> None:
    """Wants the answers of one question to be handed in for the next; a record says which question it is."""
    ids = [question.record_id for question in questions().values()]
    raw = [(submission / "evidence" / f"{one}.json").read_bytes() for one in ids]
    for one, data in zip(ids, [*raw[1:], raw[0]], strict=True):
        put(submission, one, data)
