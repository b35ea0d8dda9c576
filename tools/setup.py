#!/usr/bin/env python3
"""Set the course up: `python3 tools/setup.py [--lane auto|cpu|cuda] [--grader]`, or `make setup`.

Needs the standard library only. This first file also runs on a Python that is too old for the rest (it parses on 3.8), to say
so in words; tools/setup_run.py does the work.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST, NEWEST = (3, 11), (3, 14)  # what requirements/*.txt are locked for; a test keeps the two together


def _starts(name: str) -> bool:
    """Whether this Python is there and runs: version managers leave programs on PATH that do not."""
    return shutil.which(name) is not None and subprocess.run([name, "-c", ""], capture_output=True, check=False).returncode == 0


def _fitting_python() -> str | None:
    """The newest Python on PATH that would do."""
    names = [f"python3.{minor}" for minor in range(NEWEST[1], OLDEST[1] - 1, -1)]
    return next((name for name in names if _starts(name)), None)


def _install_python() -> str:
    """How to get one; both package managers have had 3.12 since 2024."""
    if shutil.which("dnf"):
        return "Install one: sudo dnf install python3.12, then: make setup PYTHON=python3.12"
    return "Install one: sudo apt-get install python3.12 python3.12-venv, then: make setup PYTHON=python3.12"


def wrong_python(version: tuple[int, int]) -> str:
    """What to tell somebody whose Python does not fit; empty when it does."""
    if OLDEST <= version <= NEWEST:
        return ""
    other = _fitting_python()
    advice = f"{other} is installed: make setup PYTHON={other}" if other else _install_python()
    seen = ".".join(str(part) for part in version)
    return f"Python: this is {seen} ({sys.executable}). Expected 3.{OLDEST[1]} to 3.{NEWEST[1]}. {advice}"


def main() -> int:
    """Check the interpreter, then hand over."""
    complaint = wrong_python(sys.version_info[:2])
    if complaint:
        print(complaint)
        return 1
    sys.path[0] = str(ROOT)  # tools/ itself would make its files importable as top-level names
    from tools import setup_run

    return setup_run.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
