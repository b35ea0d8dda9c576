from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants a tab, a carriage return and a quote before a formula to get it past a filter for the first character."""
