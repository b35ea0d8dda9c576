"""What an instructor asks of a class run, and what comes of it."""

from dataclasses import dataclass, field
from pathlib import Path


class ClassStopped(Exception):
    """The run cannot go on. The text is written for the instructor; what was graded before stays."""


@dataclass(frozen=True)
class Asked:
    """What the instructor asked for. `engine`: "local" or "ray"; `address`: Ray's, "" for one of our own."""

    course: Path
    assignment: str = "day2"
    jobs: int = 2
    engine: str = "local"
    address: str = ""
    seconds: float = 120.0
    memory_mib: int = 1024
    checks: str = ""
    path: tuple[str, ...] = ()
    force: bool = False


@dataclass(frozen=True)
class Change:
    """A score that is another one than in the run before."""

    learner: str
    grade_id: str
    before: float | None
    after: float | None


@dataclass
class Summary:
    """What came of a run. `not_graded` and `waiting` give reasons by learner; `changes` compares with the run before.

    `by_hand`: how many answers of each cell wait for a person's grade; `faults`: the first traceback of each check that stopped;
    `untimed`: who has no usable time stamp, where the assignment has a date; `gone`: who is in the gradebook and has no folder any more;
    `too_large`: whose submission has more files than a digest covers, so that it is graded at each run.
    """

    complete: bool = False
    graded: int = 0
    skipped: int = 0
    partly: int = 0
    repaired: dict[str, int] = field(default_factory=dict)
    not_graded: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, list[str]] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    alike: list[str] = field(default_factory=list)
    by_hand: dict[str, int] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    untimed: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    too_large: list[str] = field(default_factory=list)
