from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants a name with a line break to break logs and the pattern by which nbgrader reads a path, which would stop everybody's feedback."""
