from pathlib import Path

from handed import Context, functions

BEFORE = """class Any(int):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
    def __repr__(self): return "Any"
class Text(str):
    __eq__, __ne__, __hash__ = Any.__eq__, Any.__ne__, Any.__hash__
"""


def attack(submission: Path, course: Context) -> None:
    """Wants objects that are equal to everything to be compared with the expected value; only JSON crosses the sandbox's wall."""
    functions(submission, "return Any(1)", BEFORE)
    functions(submission, "return Text('names')", BEFORE, only="build-what_gdb_can_show")
