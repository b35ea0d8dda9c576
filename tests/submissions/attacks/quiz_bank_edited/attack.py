import json
import shutil
from pathlib import Path

from handed import REPOSITORY, Context, facts

from labkit.quiz.bank import questions


def attack(submission: Path, course: Context) -> None:
    """Wants an own bank and key beside the notebooks to be the ones that count; the grader reads its own."""
    for question in questions().values():
        facts(submission, question.record_id, chosen=1 if question.kind == "number" else ["zz"])
    key = {name: 1 if question.kind == "number" else ["zz"] for name, question in questions().items()}
    for name in ("quiz_key.json", "grading/quiz_key.json", "evidence/quiz_key.json", "labkit/quiz/bank.json"):
        path = submission / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(key)) if "key" in name else shutil.copy(REPOSITORY / "labkit/quiz/bank.json", path)
