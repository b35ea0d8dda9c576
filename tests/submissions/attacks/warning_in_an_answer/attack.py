from pathlib import Path

from handed import Context, functions


def attack(submission: Path, course: Context) -> None:
    """No attack: an honest answer that warns and prints to stderr, which costs stock nbgrader's learners the points of the cell."""
    before = "import sys, warnings\nwarnings.warn('deprecated')\nprint('to stderr', file=sys.stderr)"
    functions(submission, "warnings.warn('again')\nreturn RIGHT", before, only="environment-compile_jobs")
