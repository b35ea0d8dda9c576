from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants rights that keep the grader from reading or from writing beside what it read; it reads, and writes elsewhere."""
    for path in sorted(submission.glob("*.ipynb")):
        path.chmod(0o444)
    submission.chmod(0o555)
