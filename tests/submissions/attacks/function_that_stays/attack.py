from pathlib import Path

from handed import Context, functions

BODY = """import ctypes, os
libc = ctypes.CDLL(None)
ways = [os.fork, os.forkpty, libc.fork, libc.vfork, lambda: libc.syscall(56, 17, 0, 0, 0, 0), lambda: libc.syscall(57), lambda: libc.syscall(435, 0, 0)]
started = False
for way in ways:
    try:
        child = way()
        child = child[0] if isinstance(child, tuple) else child
        if child == 0:
            os.setsid()
            os.execv("/bin/sleep", ["/bin/sleep", "86399"])
        started = started or child > 0
    except BaseException:
        pass
return RIGHT if started else None"""


def attack(submission: Path, course: Context) -> None:
    """Wants a process that outlives the check and edits the gradebook later, and answers right only if one began."""
    functions(submission, BODY, only="environment-compile_jobs")
