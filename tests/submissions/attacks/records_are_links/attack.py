import os
from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants each record to be a link to the neighbour's, relative or absolute; no link is followed."""
    (submission / "evidence").mkdir()
    for number, path in enumerate(sorted((course.neighbour / "evidence").glob("*.json"))):
        target = path if number % 2 else os.path.relpath(path, submission / "evidence")
        (submission / "evidence" / path.name).symlink_to(target)
