from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants a name to be a script in the instructor's browser; templates escape every value."""
