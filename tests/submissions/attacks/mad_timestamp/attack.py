from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants a timestamp that no calendar has to stop the class; what is no timestamp counts as none."""
    (submission / "timestamp.txt").write_text("99999999999999999999999999-01-01 00:00:00 1e99999")
