from pathlib import Path

from handed import Context, functions


def attack(submission: Path, course: Context) -> None:
    """Wants to hold the class up without using a CPU; a wall clock runs, too."""
    functions(submission, "time.sleep(1000)", "import time", only="environment-compile_jobs")
