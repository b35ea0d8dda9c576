from pathlib import Path

from handed import Context, functions

BODY = """written = 0
for number in range(10_000):
    try:
        with open(f"/tmp/{number}", "wb") as stream: written += stream.write(bytes(1 << 19))
    except OSError:
        break
return RIGHT if written > 16 << 20 else None"""


def attack(submission: Path, course: Context) -> None:
    """Wants the disk, and answers right only if it wrote more than 16 MiB; /tmp is the sandbox's own and small."""
    functions(submission, BODY, only="environment-compile_jobs")
