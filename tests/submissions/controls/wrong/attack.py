"""The control that worked through everything and answered wrongly: no file is forged."""

from pathlib import Path
from typing import Any

from handed import Context, functions, put, record

WORDS = {"memory": "queue", "queue": "neither", "host": "cuda", "cuda": "host", "inside": "between", "between": "inside", "neither": "pool"}


def attack(submission: Path, course: Context) -> None:
    """Wants nothing: honest evidence with honest wrong answers, which earns what evidence alone earns."""
    for path in sorted((submission / "evidence").glob("*.json")):
        found = record(submission, path.stem)
        for name in ("answer", "chosen"):
            if name in found["facts"]:
                found["facts"][name] = wrong(found["facts"][name])
                put(submission, path.stem, found)
    functions(submission, "return 0")


def wrong(answer: Any) -> Any:
    """Return another answer of the same shape."""
    if isinstance(answer, bool):
        return not answer
    if isinstance(answer, int | float):
        return answer + 3
    if isinstance(answer, str):
        return WORDS.get(answer.lower(), f"not {answer}")
    if isinstance(answer, list):
        return [wrong(one) for one in answer[1:]] if len(answer) > 1 else [wrong(one) for one in answer]
    return {key: wrong(value) for key, value in answer.items()} if isinstance(answer, dict) else None
