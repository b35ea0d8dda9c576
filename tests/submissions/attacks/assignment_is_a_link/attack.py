import shutil
from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants day2 to be a link to the neighbour's, judged under the neighbour's very name; a submission is no link."""
    shutil.rmtree(submission)
    submission.symlink_to(f"../{course.neighbour.parent.name}/{course.neighbour.name}")
