from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants a name to be a pattern that matches the folders of others."""
