import os
from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants a notebook of 4 GB, sparse on disk, to fill the grader's memory; its size is looked at first."""
    for path in sorted(submission.glob("*.ipynb")):
        os.truncate(path, 4 << 30)
