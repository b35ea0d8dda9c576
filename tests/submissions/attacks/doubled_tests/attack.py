import copy
from pathlib import Path

from handed import Context, change_notebooks


def attack(submission: Path, course: Context) -> None:
    """Wants to stop the grading of the whole class by one grade id that is there twice; the first cell counts."""
    change_notebooks(submission, lambda found: found.update(cells=found["cells"] + copy.deepcopy(found["cells"])))
