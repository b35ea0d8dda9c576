from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants the learner's name replaced in every record to be enough; the token still is the classmate's."""
    for path in (submission / "evidence").glob("*.json"):
        path.write_bytes(path.read_bytes().replace(b'"learner": "reference"', b'"learner": "renamer"'))
