"""The control that must have full machine points: real evidence of the whole course, and the answers that fit it."""

from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants nothing: this is the reference submission as it is, and nothing may stop it."""
