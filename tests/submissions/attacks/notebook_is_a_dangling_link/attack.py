from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants autograding to write through a link to a file that is not there yet."""
    for path in sorted(submission.glob("*.ipynb")):
        path.unlink()
        path.symlink_to(course.outside / f"{course.mark}-{path.name}")
