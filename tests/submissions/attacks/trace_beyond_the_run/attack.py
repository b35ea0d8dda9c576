from pathlib import Path

from handed import Context, edit


def attack(submission: Path, course: Context) -> None:
    """Wants steps that together take longer than the run that made them."""
    edit(submission, "profile-trace", lambda found: found.update(seconds=0.5))
