from pathlib import Path

from handed import Context, keep, kept


def attack(submission: Path, course: Context) -> None:
    """Wants any debug build to pass as the overlay; vLLM's function is not in it."""
    keep(submission, "build-overlay", kept(submission, "environment-flags"))
