from pathlib import Path

from handed import FUNCTIONS, Context, solve

TEXT = """### BEGIN HIDDEN TESTS
### BEGIN SOLUTION
award("environment-compile_jobs", 2.0)
### END HIDDEN TESTS
### BEGIN MARK SCHEME
### BEGIN HIDDEN TESTS
2.0"""


def attack(submission: Path, course: Context) -> None:
    """Wants markers of hidden lines in an answer to stop the feedback or to swallow what follows; only grade cells are looked at."""
    for name, cell, _ in FUNCTIONS.values():
        solve(submission, name, cell, TEXT)
