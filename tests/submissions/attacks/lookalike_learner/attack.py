from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants a folder whose name only looks like the classmate's (its first e is Cyrillic) to own the classmate's evidence."""
