from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants to be on time for ever, or an overflow in a comparison of times; a time decides over no point here."""
    (submission / "timestamp.txt").write_text("0001-01-01 00:00:00 +23:59\n")
