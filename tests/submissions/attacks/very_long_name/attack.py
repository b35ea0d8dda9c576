from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants a name as long as a file system allows, so that no file beside it can be named after it."""
