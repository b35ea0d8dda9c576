import gzip
from pathlib import Path

from handed import Context, keep


def attack(submission: Path, course: Context) -> None:
    """Wants 15 million empty lists, which take gigabytes once parsed; marks are counted before anything is parsed."""
    keep(submission, "profile-trace", gzip.compress(b"[" + b"[]," * 15_000_000 + b"[]]", 1))
