import os
import socket
from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants a reader to wait for ever: pipes in the place of a notebook, of records and of the timestamp, and a socket."""
    (submission / "03_debuggers.ipynb").unlink()
    for name in (
        "03_debuggers.ipynb",
        "evidence/profile-trace.json",
        "evidence/build-overlay.json",
        "timestamp.txt",
        "pipe.csv",
        "evidence/files/x",
    ):
        os.mkfifo(submission / name)
    here = os.open(submission, os.O_RDONLY | os.O_DIRECTORY)  # a socket's path may have 107 bytes
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(f"/proc/self/fd/{here}/inference-first.json")
    (submission / "inference-first.json").rename(submission / "evidence" / "inference-first.json")
    os.close(here)
