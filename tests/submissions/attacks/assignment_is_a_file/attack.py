import shutil
from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants a file where a folder is expected to stop the class; it is no submission."""
    shutil.rmtree(submission)
    submission.write_text("[]")
