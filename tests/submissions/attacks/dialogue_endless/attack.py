import json
from pathlib import Path

from handed import Context, put, record


def attack(submission: Path, course: Context) -> None:
    """Wants 15,000 turns to keep the checks busy; only the first few hundred are read."""
    turn = {"typed": "bt", "said": "#0 f ()", "stop": "", "frames": []}
    put(submission, "debuggers-wheel", json.dumps({**record(submission, "debuggers-wheel"), "facts": {"turns": [turn] * 15_000}}))
