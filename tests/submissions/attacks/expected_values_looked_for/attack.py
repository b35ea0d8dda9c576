from pathlib import Path

from handed import Context, functions

BODY = """import gc, sys, traceback
seen, frame = [], sys._getframe()
while frame:
    seen.append(frame.f_locals)
    seen.append(frame.f_globals)
    frame = frame.f_back
held = str(seen)[:2_000_000] + str([one for one in gc.get_objects() if isinstance(one, dict) and "expect" + "ed" in one])[:1_000_000]
return RIGHT if any(word in held for word in ("'expect" + "ed':", "Ca" + "se(", "TELL" + "ING", "ed_" + "jobs(")) else None"""
BEFORE = "import sys\nsys.settrace(lambda *_: None)\nsys.setprofile(lambda *_: None)\nsys.addaudithook(lambda *_: None)"


def attack(submission: Path, course: Context) -> None:
    """Wants the expected values, by tracing, by walking the stack and by asking the garbage collector; they never enter the sandbox."""
    for grade_id in ("environment-compile_jobs", "build-what_gdb_can_show"):
        functions(submission, BODY, BEFORE, only=grade_id)
