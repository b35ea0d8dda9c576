from pathlib import Path

from handed import Context, put, solve


def attack(submission: Path, course: Context) -> None:
    """Wants half a surrogate pair, a NUL and escape sequences in a cell and in a record to stop whoever writes them as UTF-8."""
    solve(submission, "01_environment", "answer-environment-compile_jobs", "x = '\ud800\x00\x1b[2J\u202e'")
    put(submission, "start-not-ok", '{"id": "start-not-ok", "facts": {"\\ud800": "\\udfff"}}')
