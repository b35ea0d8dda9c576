import json
from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants files that look like the grader's own results to be taken for them; results are written to other folders only."""
    forged = json.dumps({"learner": course.learner, "points": 98.0, "repaired": [], "verdicts": []})
    for name in (
        "grades.json",
        "00_start_here.repairs.json",
        "verdicts.json",
        "result.json",
        "ledger.json",
        "day2.alike.json",
        "gradebook.db",
        "evidence/grades.json",
    ):
        (submission / name).write_text(forged)
