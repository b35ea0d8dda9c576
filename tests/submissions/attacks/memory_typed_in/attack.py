from pathlib import Path

from handed import Context, edit


def attack(submission: Path, course: Context) -> None:
    """Wants a pool of a nice round size; it is not made of whole blocks of this model."""

    def typed(found: dict) -> None:
        found["facts"]["after"]["pool"] = found["facts"]["before"]["pool"] = 256 << 20

    edit(submission, "exercises-memory-two", typed)
