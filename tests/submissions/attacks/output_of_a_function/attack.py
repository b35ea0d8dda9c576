from pathlib import Path

from handed import Context, functions

BODY = """import os
for descriptor in range(40):
    try:
        while True: os.write(descriptor, b"x" * 65536)
    except OSError:
        pass"""


def attack(submission: Path, course: Context) -> None:
    """Wants to fill every stream and pipe it finds, or to return 60 MB; replies are bounded."""
    functions(submission, BODY, only="environment-compile_jobs")
    functions(submission, "return 'x' * 5_000_000", only="build-what_gdb_can_show")
