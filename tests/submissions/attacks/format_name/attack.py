from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants a name to be filled in by a template, a format string or a shell."""
