from pathlib import Path

from handed import Context, change_notebooks


def attack(submission: Path, course: Context) -> None:
    """Wants full marks for cells that nbclient skips, which have no output; the rebuilt notebook has only the released tags."""
    change_notebooks(submission, lambda found: [cell["metadata"].update(tags=["skip-execution", "hide-output"]) for cell in found["cells"]])
