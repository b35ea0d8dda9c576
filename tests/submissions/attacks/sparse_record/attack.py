import os
from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants a record and a library of 100 MB, sparse on disk, to be read whole; sizes are looked at first."""
    os.truncate(submission / "evidence" / "start-grading-quiz.json", 100 << 20)
    os.truncate(submission / "evidence" / "files" / "environment-flags.Debug.so", 100 << 20)
