from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants a folder of 20,000 records to be read one by one; checks ask for records by name, and whoever lists them stops early."""
    raw = (submission / "evidence" / "start-grading-quiz.json").read_bytes()
    for number in range(20_000):
        (submission / "evidence" / f"a{number}.json").write_bytes(raw if number % 1000 == 0 else b"{}")
