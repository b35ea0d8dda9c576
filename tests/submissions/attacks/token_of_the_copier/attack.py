import hashlib
from pathlib import Path

from handed import Context

from labkit.learner import token_of


def attack(submission: Path, course: Context) -> None:
    """Wants a classmate's evidence under the copier's name with the token that belongs to it; words, symbols and sizes are the classmate's."""
    paths = sorted((submission / "evidence").glob("*.json"))
    was = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    for path in paths:
        raw = path.read_bytes().replace(b'"learner": "reference"', b'"learner": "tokenist"')
        path.write_bytes(raw.replace(b"f9b2ad5a55ec002c", token_of("tokenist").encode()))
    now = {was[path]: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    for path in paths:
        raw = path.read_bytes()
        for old, new in now.items():
            raw = raw.replace(old.encode(), new.encode())
        path.write_bytes(raw)
