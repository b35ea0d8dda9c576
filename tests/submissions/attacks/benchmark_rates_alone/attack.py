from pathlib import Path

from handed import Context, facts, record


def attack(submission: Path, course: Context) -> None:
    """Wants rates that do not follow from the samples; they are computed again from tokens and seconds."""
    was = record(submission, "exercises-sweep")["facts"]["samples"]
    facts(submission, "exercises-sweep", samples={size: [[s, rate * 1.5] for s, rate in pairs] for size, pairs in was.items()})
