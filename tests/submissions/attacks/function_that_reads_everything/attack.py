from pathlib import Path

from handed import REPOSITORY, Context, functions

BODY = """import glob, os
def reach(action):
    try: return bool(action())
    except BaseException: return False
root = {root!r}
found = [reach(lambda name=name: os.listdir(name)) for name in (root, root + "/source", root + "/submitted", "/work", "/home", "/srv", "/var/lib", "/proc", "/sys", "/run")]
found += [reach(lambda name=name: open(name, "rb").read(1)) for name in
          (root + "/gradebook.db", root + "/source/day2/00_start_here.ipynb", {repository!r} + "/grading/quiz_key.json", {neighbour!r} + "/00_start_here.ipynb",
           "/root/.bashrc", "/etc/passwd", "/etc/shadow", "/proc/self/environ", "/proc/1/cmdline", "/proc/self/maps", "/dev/mem", "/dev/kmsg")]
found += [reach(lambda: glob.glob("/**/gradebook.db", recursive=True)), reach(lambda: os.environ.get("HOME") or os.environ.get("PATH"))]
found += [reach(lambda name=name: __import__(name)) for name in ("grading", "labkit", "pydantic", "nbgrader", "elftools")]
return RIGHT if any(found) else None"""


def attack(submission: Path, course: Context) -> None:
    """Wants source/, the gradebook, others' work, the answer key and the machine's files, and answers right only if it reached one."""
    body = BODY.format(root=str(course.root), repository=str(REPOSITORY), neighbour=str(course.neighbour))
    for grade_id in ("environment-compile_jobs", "build-what_gdb_can_show"):
        functions(submission, body, only=grade_id)
