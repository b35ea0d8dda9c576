from pathlib import Path

from handed import Context, keep, kept


def attack(submission: Path, course: Context) -> None:
    """Wants a file that ends in the middle of its debug information to crash the reader; it is bad evidence."""
    keep(submission, "build-overlay", kept(submission, "build-overlay")[:700_000])
