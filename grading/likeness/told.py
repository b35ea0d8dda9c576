"""What a class run tells of likeness: one JSON file for the report, and lines for its summary."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from grading.likeness.compare import Alike, Group, Named
from grading.likeness.runs import OURS
from grading.wording import plain

MAX_LINES = 12
MAX_NAMES = 6


def alike_path(course: Path, assignment: str) -> Path:
    """Return where a class run leaves what it found, beside the gradebook of the course."""
    return course / f"{assignment}.alike.json"


def save_alike(path: Path, found: Alike) -> None:
    """Write what was found, the same bytes for the same class. Raises OSError."""
    path.write_text(found.model_dump_json(indent=1) + "\n", encoding="utf-8")


def load_alike(path: Path) -> Alike | None:
    """Return what the last class run found; None where there was none, or where the file is not one of ours."""
    try:
        return Alike.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def summary_lines(found: Alike) -> list[str]:
    """Return what an instructor reads at the end of a class run, one line for each finding; [] when there is none."""
    cut = [plain(f"{who}: more evidence than the course leaves, not all of it was compared with others'") for who in found.cut]
    lines = [*map(_of_group, found.groups), *_of_names(found.named), *cut]
    more = len(lines) - MAX_LINES
    return [*lines[:MAX_LINES], f"and {more} more: see the report"] if more > 0 else lines


def _of_names(named: Sequence[Named]) -> list[str]:
    """Return a line for each name that learners' records have in place of their own: a class may share one mistake."""
    whose: dict[str, list[Named]] = {}
    for one in named:
        whose.setdefault(one.names if one.here else f"{one.names}, who is not in this class" if one.names else "nobody here", []).append(
            one
        )
    return [
        plain(f"{_list([one.learner for one in some])}: {sum(one.records for one in some)} records name {name}")
        for name, some in whose.items()
    ]


def _list(names: Sequence[str]) -> str:
    return ", ".join(names[:MAX_NAMES]) + (f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else "")


def _of_group(group: Group) -> str:
    names = [member.shown_as for member in group.members]
    least = min(member.shared / member.traces for member in group.members if not member.learner.startswith(OURS))
    return plain(
        f"{_list(names)}: {group.traces} measured values alike in {len(group.records)} records, at least {least:.0%} of what each has"
    )
