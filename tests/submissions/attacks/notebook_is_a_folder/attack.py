from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants a folder in a notebook's place to stop the class; it is graded as an empty notebook."""
    for path in sorted(submission.glob("*.ipynb")):
        path.unlink()
        (path / "deeper" / path.name).mkdir(parents=True)
