from pathlib import Path

from handed import Context, put


def attack(submission: Path, course: Context) -> None:
    """Wants nested lists in a record to run the parser, or whoever walks the facts, out of stack."""
    put(submission, "start-grading-quiz", b"[" * 500_000)
    put(submission, "start-doctor", b"[" + b"[]," * 300_000 + b"[]]")
    put(submission, "start-exit-code", b'{"id": "start-exit-code", "facts": {"answer": ' + b'{"a":' * 900 + b"1" + b"}" * 902)
