from pathlib import Path

from handed import Context, functions

BODY = """import os
written = []
for folder in ({root!r}, {outside!r}, "/usr/lib", "/usr/lib/python3", "/etc", "/root", "/home", "/dev/shm", "/var/tmp", "/", os.path.dirname(os.__file__), os.path.expanduser("~")):
    try:
        with open(folder + "/{mark}-written", "w") as stream: written.append(stream.write("x"))
    except BaseException:
        pass
try:
    with open("/tmp/{mark}-private", "w") as stream: stream.write("x")
except OSError:
    pass
return RIGHT if written else None"""


def attack(submission: Path, course: Context) -> None:
    """Wants to leave a file where others load or read it (start-up files, libraries), and answers right only if it could."""
    functions(
        submission, BODY.format(root=str(course.root), outside=str(course.outside), mark=course.mark), only="environment-compile_jobs"
    )
