from pathlib import Path

from handed import FUNCTIONS, Context, solve


def attack(submission: Path, course: Context) -> None:
    """Wants an answer of 3 MB, some hundred times what anyone types, to be run, kept and shown."""
    for name, cell, _ in FUNCTIONS.values():
        solve(submission, name, cell, "x = 1\n" * 500_000)
    solve(submission, "06_exercises", "exercises-reflection", "![](data:,x)" * 100_000)
