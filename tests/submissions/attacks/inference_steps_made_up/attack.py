from pathlib import Path

from handed import Context, facts, record


def attack(submission: Path, course: Context) -> None:
    """Wants a schedule that nobody watched; tokens per request do not add up to prompt and answer."""
    was = record(submission, "inference-steps")["facts"]
    facts(submission, "inference-steps", steps=[dict.fromkeys(was["steps"][0], 1)] * 3)
