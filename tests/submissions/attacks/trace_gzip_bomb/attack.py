import gzip
from pathlib import Path

from handed import Context, keep


def attack(submission: Path, course: Context) -> None:
    """Wants 70 kB to unpack to 70 MB; unpacking stops at a bound."""
    keep(submission, "profile-trace", gzip.compress(bytes(70 << 20), 6))
