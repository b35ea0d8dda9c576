from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants a token of the attacker's own choice, the one with the easiest parameters; a token follows from the name."""
    for path in (submission / "evidence").glob("*.json"):
        path.write_bytes(
            path.read_bytes().replace(b'"learner": "reference"', b'"learner": "inventor"').replace(b"f9b2ad5a55ec002c", b"0" * 16)
        )
