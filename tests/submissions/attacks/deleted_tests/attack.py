from pathlib import Path

from handed import Context, change_notebooks, marks


def attack(submission: Path, course: Context) -> None:
    """Wants to lose the tests, which leaves stock grading waiting for a person for ever; the released cells are put back."""
    change_notebooks(submission, lambda found: found.update(cells=[cell for cell in found["cells"] if not marks(cell).get("grade")]))
