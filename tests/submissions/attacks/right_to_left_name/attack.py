from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants a name that turns the reading direction of the report; direction-changing characters are taken out where it is shown."""
