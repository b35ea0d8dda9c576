from pathlib import Path

from handed import Context, functions

BEFORE = """import json, os
for text in (json.dumps({"verdict": {"state": "passed", "points": 3.0, "seen": "", "expected": ""}, "fault": ""}), json.dumps({"results": [{"value": "NaN"}] * 29})):
    for descriptor in range(3, 40):
        try: os.write(descriptor, text.encode() + b"\\n")
        except OSError: pass
os._exit(0)"""


def attack(submission: Path, course: Context) -> None:
    """Wants to write a verdict, or results, into the pipe that the grader reads; a result is only a value, and is compared outside."""
    for grade_id in ("environment-compile_jobs", "build-what_gdb_can_show"):
        functions(submission, "return 1", BEFORE, only=grade_id)
