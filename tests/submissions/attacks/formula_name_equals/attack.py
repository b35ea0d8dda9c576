from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants a spreadsheet that opens the exported grades to run a formula."""
