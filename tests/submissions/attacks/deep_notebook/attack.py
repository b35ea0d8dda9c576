from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants a parser to run out of stack on 200,000 nested lists, or to find no end."""
    (submission / "00_start_here.ipynb").write_bytes(b'{"cells":' * 200_000)
    (submission / "01_environment.ipynb").write_bytes(b'{"cells": ' + b"[" * 100_000 + b"]" * 100_000 + b"}")
    (submission / "02_source_build.ipynb").write_bytes(b'\xff\xfe{"cells": ')
