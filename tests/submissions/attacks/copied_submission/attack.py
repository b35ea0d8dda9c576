import shutil
from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants a classmate's whole submission to count for the copier, too; records name the classmate, and the class run says so."""
    shutil.rmtree(submission)
    shutil.copytree(course.neighbour, submission)
