import json
from pathlib import Path

from handed import Context, put, record


def attack(submission: Path, course: Context) -> None:
    """Wants a record of 1 MB with a hundred thousand keys and one endless key to be shown in a verdict."""
    found = record(submission, "start-grading-quiz")
    put(submission, "start-grading-quiz", json.dumps({**found, "facts": {"answer": [f"{i}" for i in range(80_000)]}, "k" * 20_000: 1}))
