from pathlib import Path

from handed import Context, functions


def attack(submission: Path, course: Context) -> None:
    """Wants NaN, a list nested 100,000 deep and an iterator without end as values; they are errors of that call."""
    functions(submission, "return float('nan')", only="environment-compile_jobs")
    functions(submission, "kept = []\nfor _ in range(100_000): kept = [kept]\nreturn kept", only="build-what_gdb_can_show")
    functions(submission, "import itertools\nreturn {1: itertools.count()}", only="profile-launched_by")
