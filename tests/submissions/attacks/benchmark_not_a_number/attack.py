from pathlib import Path

from handed import Context, facts


def attack(submission: Path, course: Context) -> None:
    """Wants NaN, which is not below any bound, as a time; JSON here has no such number."""
    facts(submission, "exercises-sweep", samples={"1": [[float("nan"), float("inf")]] * 3, "2": [[-1.0, 1e400]] * 3})
