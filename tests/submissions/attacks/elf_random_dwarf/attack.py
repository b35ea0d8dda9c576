import random
from pathlib import Path

from handed import Context, keep, kept


def attack(submission: Path, course: Context) -> None:
    """Wants damaged debug information to crash the reader or to keep it busy; whatever it meets becomes bad evidence."""
    data, draw = bytearray(kept(submission, "build-overlay")), random.Random(7)
    for _ in range(20_000):
        data[draw.randrange(600_000, len(data) - 8_000)] = draw.randrange(256)
    keep(submission, "build-overlay", bytes(data))
