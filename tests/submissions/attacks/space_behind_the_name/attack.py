from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants a name with a space behind it to own the classmate's evidence; names are compared byte by byte."""
