from pathlib import Path

from handed import Context, change_notebooks, marks


def attack(submission: Path, course: Context) -> None:
    """Wants a test to be worth more than it is; points come from the gradebook, whatever the submission's metadata says."""
    for value in (1e9, -5, "NaN", float("inf"), None, [2]):
        change_notebooks(
            submission, lambda found, value=value: [marks(cell).update(points=value) for cell in found["cells"] if "points" in marks(cell)]
        )
