from pathlib import Path

from handed import Context, keep, kept


def attack(submission: Path, course: Context) -> None:
    """Wants one library to stand for all three build types; each says its own name and its own -O."""
    for record_id in ("environment-flags", "exercises-builds"):
        for number in (1, 2):
            keep(submission, record_id, kept(submission, record_id), number)
