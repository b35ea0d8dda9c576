from pathlib import Path

from handed import Context, facts, record


def attack(submission: Path, course: Context) -> None:
    """Wants twice the throughput by typing it into the samples; they are not the times of the calls."""
    was = record(submission, "exercises-sweep")["facts"]["samples"]
    facts(submission, "exercises-sweep", samples={size: [[s / 2, rate * 2] for s, rate in pairs] for size, pairs in was.items()})
