from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants a name that differs in its case to own the classmate's evidence; names are compared byte by byte."""
