from pathlib import Path

from handed import Context, edit, facts

SCRIPT = "<script>alert('xss-in-record')</script>\"'><b onmouseover=alert(1)>"


def attack(submission: Path, course: Context) -> None:
    """Wants a value that a verdict quotes to be markup on the feedback page and in the report; every value is escaped."""
    facts(submission, "environment-asks", answer={"python": ">=3.11,<3.15", "torch": SCRIPT, "cmake": ">=3.26.1"})
    facts(submission, "start-exit-code", answer=7, printed=f"$1 = {SCRIPT}")
    edit(submission, "environment-flags", lambda found: found.update(command=["cmake", "--build", SCRIPT]))
    facts(submission, "environment-flags", answer={"Debug": SCRIPT, "RelWithDebInfo": "-O2", "Release": "-O3"})
