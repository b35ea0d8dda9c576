import os
import stat
from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants endless zeros and random bytes in the place of a notebook and of records; devices are not read."""
    (submission / "03_debuggers.ipynb").unlink()
    for name, minor in (("03_debuggers.ipynb", 5), ("evidence/profile-trace.json", 9), ("evidence/build-overlay.json", 3)):
        os.mknod(submission / name, 0o666 | stat.S_IFCHR, os.makedev(1, minor))
