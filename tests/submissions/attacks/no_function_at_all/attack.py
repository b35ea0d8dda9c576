from pathlib import Path

from handed import Context, solve


def attack(submission: Path, course: Context) -> None:
    """Wants a cell that does not compile, has a NUL in it, or defines a class that swallows every call, to stop the checker."""
    solve(submission, "01_environment", "answer-environment-compile_jobs", "(" * 5000)
    solve(
        submission,
        "02_source_build",
        "answer-build-what_gdb_can_show",
        "class what_gdb_can_show(dict):\n    __new__ = lambda *a: BaseException\n\0",
    )
