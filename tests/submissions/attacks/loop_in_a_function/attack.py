from pathlib import Path

from handed import Context, functions

BEFORE = "import signal\nfor number in (2, 15, 24): signal.signal(number, signal.SIG_IGN)"


def attack(submission: Path, course: Context) -> None:
    """Wants a loop that ignores every signal it can to hold the class up; CPU seconds are bounded, and the last signal cannot be ignored."""
    functions(submission, "while True: pass", BEFORE, only="environment-compile_jobs")
