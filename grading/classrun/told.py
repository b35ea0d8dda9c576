"""What an instructor reads at the end of a class run, and the same as JSON."""

import json
from dataclasses import asdict
from pathlib import Path

from grading.classrun.outcome import Summary
from grading.wording import plain

_MOST = 20  # lines of a kind on the terminal; the JSON has all


def summary_path(course: Path, assignment: str) -> Path:
    """Return where the summary of the last run lies."""
    return course / f"{assignment}.class.json"


def save_summary(path: Path, summary: Summary) -> None:
    """Write the whole summary. Raises OSError."""
    path.write_text(json.dumps(asdict(summary), indent=1) + "\n", encoding="utf-8")


def lines(summary: Summary) -> list[str]:
    """Return the summary in words."""
    told = [f"{summary.graded} graded, {summary.skipped} were graded already, {len(summary.not_graded)} could not be graded"]
    told += _some("NOT GRADED", [f"{who}: {why}" for who, why in summary.not_graded.items()])
    told += _some("waits for a person", [f"{who}: {'; '.join(why)}" for who, why in summary.waiting.items()])
    told += _some("score changed", [f"{c.learner} {c.grade_id}: {_of(c.before)} -> {_of(c.after)}" for c in summary.changes])
    told += _some("repaired", [f"{who}: {count} places, see autograded/" for who, count in summary.repaired.items()])
    return [plain(line, 300) for line in told + _some("alike", summary.alike)]


def _some(kind: str, found: list[str]) -> list[str]:
    more = [f"{kind}: {len(found) - _MOST} more, see the JSON"] if len(found) > _MOST else []
    return [f"{kind}: {one}" for one in found[:_MOST]] + more


def _of(points: float | None) -> str:
    return "none" if points is None else f"{points:g}"
