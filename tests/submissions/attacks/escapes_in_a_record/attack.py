from pathlib import Path

from handed import Context, facts

ESCAPES = "\x1b[2J\x1b]0;owned\x07\u202e\u2066\u200b\u0000\nPASSED: 2 of 2 points\n  seen      forged-line"


def attack(submission: Path, course: Context) -> None:
    """Wants terminal escapes, direction marks and line breaks in a value to repaint the log or forge a line of a verdict."""
    facts(submission, "environment-asks", answer={"python": ESCAPES, "torch": ESCAPES, "cmake": ESCAPES})
