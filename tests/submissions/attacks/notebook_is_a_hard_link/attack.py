import os
from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants the gradebook under a notebook's and a record's name to be read into a feedback page; it is no JSON and counts as nothing."""
    (submission / "03_debuggers.ipynb").unlink()
    os.link(course.root / "gradebook.db", submission / "03_debuggers.ipynb")
    os.link(course.root / "gradebook.db", submission / "evidence" / "profile-trace.json")
