import shutil
from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants files/ to be a link to the neighbour's, so that no byte need be handed in; no folder on the way may be a link."""
    shutil.rmtree(submission / "evidence" / "files")
    (submission / "evidence" / "files").symlink_to(course.neighbour / "evidence" / "files")
