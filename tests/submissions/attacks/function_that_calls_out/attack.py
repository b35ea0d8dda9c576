from pathlib import Path

from handed import Context, functions

BODY = """import socket
reached = []
for family, address in ((socket.AF_INET, ("127.0.0.1", {port})), (socket.AF_INET, ("8.8.8.8", 53)), (socket.AF_INET6, ("::1", {port})), (socket.AF_UNIX, "\\0/tmp/.X11-unix/X0")):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        try:
            with socket.socket(family, kind) as one:
                one.settimeout(0.2)
                reached.append(one.connect(address))
        except BaseException:
            pass
return RIGHT if reached else None"""


def attack(submission: Path, course: Context) -> None:
    """Wants to call somebody, and answers right only if a call got through; there is no network and no socket in the sandbox."""
    functions(submission, BODY.format(port=course.port), only="environment-compile_jobs")
