from pathlib import Path

from handed import Context, edit, facts


def attack(submission: Path, course: Context) -> None:
    """Wants integers of 4,000 digits, which overflow a float, and answers of that size; every number has bounds."""
    edit(submission, "exercises-sweep", lambda found: found["facts"]["machine"].update(bytes_per_s=10**4000))
    facts(submission, "inference-time-answer", answer={"longest": "import", "decode_ms": 10**4000})
