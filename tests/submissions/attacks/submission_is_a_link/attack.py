import shutil
from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants the whole folder to be the neighbour's under another name; the records name the neighbour."""
    shutil.rmtree(submission.parent)
    submission.parent.symlink_to(course.neighbour.parent.name)
