from pathlib import Path

from handed import Context, functions


def attack(submission: Path, course: Context) -> None:
    """Wants all memory, one way by allocating and the other by a number; the sandbox has a limit, and dies alone."""
    functions(submission, "while True: kept.append(bytearray(1 << 24))", "kept = []", only="environment-compile_jobs")
    functions(submission, "return 9 ** 9 ** 9", only="build-what_gdb_can_show")
