from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants a spreadsheet to compute a name, or a command line to take it for an option."""
