from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants a name that is no UTF-8 to stop whoever prints it or keeps it in a database."""
