from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants a name with a line break to break logs, or a pattern that reads the path; it is graded as any other."""
