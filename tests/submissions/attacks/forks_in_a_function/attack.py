from pathlib import Path

from handed import Context, functions

BODY = """import os, subprocess, threading
started = 0
for start in (os.fork, lambda: subprocess.Popen(["/bin/sleep", "1000"]), lambda: threading.Thread(target=lambda: None).start()):
    try:
        while started < 50:
            started += 1 if start() is None else 1
    except BaseException:
        pass
return RIGHT if started else None"""


def attack(submission: Path, course: Context) -> None:
    """Wants processes and threads, and answers right only if it got one; the system-call filter refuses all of them."""
    functions(submission, BODY, only="environment-compile_jobs")
    functions(submission, BODY, only="build-what_gdb_can_show")
