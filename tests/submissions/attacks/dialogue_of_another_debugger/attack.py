from pathlib import Path

from handed import Context, facts, record


def attack(submission: Path, course: Context) -> None:
    """Wants gdb's dialogue in place of cuda-gdb's, and the other way round; each says other things."""
    one, other = record(submission, "debuggers-kernel")["facts"], record(submission, "debuggers-init")["facts"]
    facts(submission, "debuggers-kernel", turns=other["turns"])
    facts(submission, "debuggers-init", turns=one["turns"])
