from pathlib import Path

from handed import Context, facts


def attack(submission: Path, course: Context) -> None:
    """Wants True to be the number 1; strict models know it is not."""
    facts(submission, "exercises-sweep", engines=True)
    facts(submission, "inference-steps-answer", answer={"steps": True, "first": True, "longer": True})
