"""What an instructor reads at the end of a class run, and the same as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from grading.classrun.outcome import Change, Summary
from grading.wording import plain

_MOST = 20  # lines of a kind on the terminal; the JSON has all
_NAMES = 6  # in one line


def summary_path(course: Path, assignment: str) -> Path:
    """Return where the summary of the last run lies."""
    return course / f"{assignment}.class.json"


def save_summary(path: Path, summary: Summary) -> None:
    """Write the whole summary. Raises OSError."""
    path.write_text(json.dumps(asdict(summary), indent=1) + "\n", encoding="utf-8")


def earlier_changes(path: Path) -> list[Change]:
    """Return the changed scores of a run that was stopped: whoever goes on wants to read of them, too."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return [] if told["complete"] else [Change(**one) for one in told["changes"]]
    except (OSError, ValueError, TypeError, KeyError):  # there is none, or it is not one of ours
        return []


def last_run(path: Path) -> Summary:
    """Return what the last run told; an empty summary where there was none, or where the file is not one of ours."""
    try:
        return Summary(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return Summary()


def lines(summary: Summary) -> list[str]:
    """Return the summary in words."""
    told = [f"{summary.graded} graded, {summary.skipped} were graded already, {len(summary.not_graded)} could not be graded"]
    told += _some("NOT GRADED", [f"{who}: {why}" for who, why in summary.not_graded.items()])
    told += _some("waits for a person", _by_reason(summary.waiting))
    told += [f"{count} answers wait in formgrader: {cell}" for cell, count in summary.by_hand.items() if cell not in _unjudged(summary)]
    told += _some("score changed", [f"{c.learner} {c.grade_id}: {_of(c.before)} -> {_of(c.after)}" for c in summary.changes])
    told += _some("repaired", [f"{who}: {count} places, see *.repairs.json in its folder" for who, count in summary.repaired.items()])
    told += _some("alike", summary.alike)
    told += _named("no usable time stamp, so in time unless an earlier one was late", summary.untimed)
    told += _named("in the gradebook, but without a folder (docs/grading.md, Who is in the class)", summary.gone)
    told += _named("too large to be known again, so graded at each run, and your scores by hand wait again", summary.too_large)
    return [plain(line, 300) for line in told]


def _by_reason(waiting: Mapping[str, list[str]]) -> list[str]:
    """Return a line for each reason, with who it concerns: a check that fails concerns everybody."""
    whose: dict[str, list[str]] = {}
    for learner, reasons in waiting.items():
        for reason in reasons:
            whose.setdefault(reason, []).append(learner)
    return [
        f"{who[0]}{f' and {len(who) - 1} more' if len(who) > 1 else ''}: {reason} The traceback is in the JSON; when it is mended, run again."
        for reason, who in whose.items()
    ]


def _unjudged(summary: Summary) -> set[str]:
    return {reason.partition(":")[0] for reasons in summary.waiting.values() for reason in reasons}


def _some(kind: str, found: list[str]) -> list[str]:
    more = [f"{kind}: {len(found) - _MOST} more, see the JSON"] if len(found) > _MOST else []
    return [f"{kind}: {one}" for one in found[:_MOST]] + more


def _named(what: str, who: Sequence[str]) -> list[str]:
    more = f" and {len(who) - _NAMES} more, see the JSON" if len(who) > _NAMES else ""
    return [f"{what}: {', '.join(who[:_NAMES])}{more}"] if who else []


def _of(points: float | None) -> str:
    return "none" if points is None else f"{points:g}"
