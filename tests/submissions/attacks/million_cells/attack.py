from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants a million cells in a notebook that is still small enough to be read; each is looked at in constant time."""
    (submission / "00_start_here.ipynb").write_bytes(b'{"cells": [' + b"{}," * 1_000_000 + b"{}]}")
    (submission / "06_exercises.ipynb").write_bytes(b'{"cells": [' + b'{"metadata":{"tags":[1]}},' * 30_000 + b"{}]}")
