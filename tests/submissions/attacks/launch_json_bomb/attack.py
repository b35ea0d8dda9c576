from pathlib import Path

from handed import Context, facts


def attack(submission: Path, course: Context) -> None:
    """Wants JSON with comments, nested deep and full of openings, to exhaust the one reader that takes text for JSON."""
    facts(submission, "debuggers-vscode-answer", answer="/*" * 100_000 + "[" * 200_000 + '"' + "\\" * 100_001 + "//" * 50_000)
