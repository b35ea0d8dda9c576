from pathlib import Path

from handed import Context, keep, kept


def attack(submission: Path, course: Context) -> None:
    """Wants the first 64 bytes of a library to stand for the rest; without sections there is nothing to see."""
    keep(submission, "build-overlay", kept(submission, "build-overlay")[:64])
