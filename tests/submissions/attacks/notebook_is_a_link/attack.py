from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants links to the neighbour's notebooks, and one to the gradebook, to be read as the attacker's; no link is followed."""
    for path in sorted(submission.glob("*.ipynb")):
        path.unlink()
        path.symlink_to(course.root / "gradebook.db" if path.stem == "03_debuggers" else course.neighbour / path.name)
