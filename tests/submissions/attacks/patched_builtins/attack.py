from pathlib import Path

from handed import Context, functions

BEFORE = """import builtins, json, marshal, os, sys
json.dumps = lambda *_, **__: '{"results": []}'
json.JSONEncoder.default = lambda *_: "names"
builtins.isinstance = lambda *_: True
builtins.dict = builtins.list = builtins.str = lambda *_: "names"
sys.modules["__main__"].__dict__.update(called=lambda *_: {"value": "true"}, outcome=lambda *_: {"results": [{"value": "1"}] * 29})
"""


def attack(submission: Path, course: Context) -> None:
    """Wants the runner around the function to answer for it, by patching what it uses; expected values are not in that process."""
    for grade_id in ("environment-compile_jobs", "build-what_gdb_can_show"):
        functions(submission, "return 1", BEFORE, only=grade_id)
