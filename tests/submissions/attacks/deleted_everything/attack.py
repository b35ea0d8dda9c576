from pathlib import Path

from handed import Context, change_notebooks


def attack(submission: Path, course: Context) -> None:
    """Wants a notebook without cells to have nothing that can fail; it is graded like an empty one, and evidence counts as always."""
    change_notebooks(submission, lambda found: found.update(cells=[]))
