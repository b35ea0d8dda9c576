from pathlib import Path

from handed import Context, edit


def attack(submission: Path, course: Context) -> None:
    """Wants calls that end before they begin; times are positive."""
    edit(submission, "exercises-sweep", lambda found: [call.update(seconds=-call["seconds"]) for call in found["facts"]["calls"]])
