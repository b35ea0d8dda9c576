from pathlib import Path

from handed import Context, change_notebooks, marks


def attack(submission: Path, course: Context) -> None:
    """Wants tests to be no tests any more and answers to be graded; nbgrader itself stops on it, the rebuilt notebook has the released flags."""

    def flip(cell: dict) -> None:
        if marks(cell):
            marks(cell).update(grade=not marks(cell).get("grade"), solution=not marks(cell).get("solution"), locked=False, task=True)

    change_notebooks(submission, lambda found: [flip(cell) for cell in found["cells"]])
