"""The class as data: what the class page shows, added up one learner at a time."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from grading.classrun.outcome import Summary
from grading.likeness import Alike
from grading.report.marks import LearnerReport, Mark
from grading.report.plan import Exercise, Lesson
from labkit.spread import Spread, spread

BINS = 10
REASONS = 3  # of the reasons why an exercise failed, the most frequent
MAX_REASONS_KEPT = 200  # of one exercise: a class that invents a new reason each cannot fill the memory
MAX_NAMES = 12
MAX_REPAIRED = 200


class Reason(NamedTuple):
    """A row that failed: what was looked at, and the next step that the learner was given."""

    what: str
    next_step: str


class Failing(NamedTuple):
    """A reason, how many learners met it, and what one of them had there."""

    reason: Reason
    learners: int
    example: str
    expected: str


@dataclass
class Waiting:
    """What waits for a person: how many, and the first names."""

    count: int = 0
    names: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        """Count one more."""
        self.count += 1
        if self.count <= MAX_NAMES:
            self.names.append(name)

    @property
    def more(self) -> int:
        """How many are not named."""
        return self.count - len(self.names)


@dataclass
class ExerciseTally:
    """One exercise over the class. `shares` are those of learners for whom it is settled."""

    exercise: Exercise
    lesson: Lesson
    shares: list[float] = field(default_factory=list)
    states: Counter[str] = field(default_factory=Counter)
    untouched: int = 0
    reasons: Counter[Reason] = field(default_factory=Counter)
    examples: dict[Reason, tuple[str, str]] = field(default_factory=dict)

    def add(self, mark: Mark) -> None:
        """Count one learner's."""
        self.states[mark.state] += 1
        self.untouched += mark.untouched
        if mark.settled:
            self.shares.append(mark.share)
        if mark.told and mark.state in ("partial", "not yet") and mark.told.state == "failed" and not mark.untouched:
            reason = Reason(mark.told.what, mark.told.next)
            if reason in self.reasons or len(self.reasons) < MAX_REASONS_KEPT:
                self.reasons[reason] += 1
                self.examples.setdefault(reason, (mark.told.seen, mark.told.expected))

    @property
    def mean(self) -> float | None:
        """The mean share of its points, from 0 to 1; None while nobody's is settled.

        While written answers wait for a person, it is the mean of those that were read: texts that nobody touched are settled at once,
        and alone they would say 0 %.
        """
        unread = self.exercise.by_hand and self.states["waits for a person"]
        counted = len(self.shares) - (self.untouched if unread else 0)
        return sum(self.shares) / counted if counted else None

    def failing(self) -> list[Failing]:
        """Return the most frequent reasons why it failed."""
        return [Failing(reason, count, *self.examples[reason]) for reason, count in self.reasons.most_common(REASONS)]


class LearnerRow(NamedTuple):
    """A line of the class page: a learner, the folder of their page, and their sums. `late` in seconds, `taken`: points that it cost."""

    learner: str
    folder: str
    points: float
    passed: int
    waits: int
    untouched: int
    seconds: float
    late: float
    taken: float


class Repaired(NamedTuple):
    """What the normaliser repaired in one notebook of a learner."""

    learner: str
    notebook: str
    repairs: tuple[str, ...]


class Bin(NamedTuple):
    """One bar of the distribution: points from `low` up to `high`, and how many learners are there."""

    low: float
    high: float
    learners: int


class Classroom:
    """All learners who handed in. Keeps sums and one short row each, no page. `alike` and `last`: of the last class run, if there was one."""

    def __init__(self, lessons: Sequence[Lesson], alike: Alike | None = None, last: Summary | None = None) -> None:
        self.lessons, self.alike, self.last = tuple(lessons), alike, last or Summary()
        self.tallies = {exercise.grade_id: ExerciseTally(exercise, lesson) for lesson in lessons for exercise in lesson.exercises}
        self.rows: list[LearnerRow] = []
        self.seconds: dict[str, list[float]] = {lesson.name: [] for lesson in lessons}
        self.waiting: dict[str, Waiting] = {}
        self.unjudged: dict[tuple[str, str], Waiting] = {}
        self.repaired: list[Repaired] = []
        self.repaired_count = 0

    def add(self, report: LearnerReport, folder: str, repairs: Sequence[Repaired]) -> None:
        """Count one learner."""
        waits = report.count("waits for a person", "not judged")
        untouched = sum(mark.untouched for mark in report.marks)
        self.rows.append(
            LearnerRow(report.learner, folder, report.points, report.count("passed"), waits, untouched, report.seconds, report.late, report.taken)
        )  # fmt: skip
        for mark in report.marks:
            self.tallies[mark.exercise.grade_id].add(mark)
            self._note(mark, report.learner)
        for lesson in report.lessons:
            if lesson.seconds:
                self.seconds[lesson.lesson.name].append(lesson.seconds)
        self.repaired += repairs[: MAX_REPAIRED - len(self.repaired)]
        self.repaired_count += len(repairs)

    def _note(self, mark: Mark, learner: str) -> None:
        """Keep who waits for a person, and for what."""
        if mark.state == "waits for a person":
            self.waiting.setdefault(mark.exercise.grade_id, Waiting()).add(learner)
        elif mark.state == "not judged":
            reason = mark.told.seen if mark.told else ""
            self.unjudged.setdefault((mark.exercise.grade_id, reason), Waiting()).add(learner)

    @property
    def maximum(self) -> float:
        """What the assignment is worth."""
        return sum(lesson.points for lesson in self.lessons)

    def totals(self) -> Spread | None:
        """Return the median and the quartiles of all totals, in points; None for an empty class."""
        return spread([row.points for row in self.rows]) if self.rows else None

    def distribution(self) -> list[Bin]:
        """Return ten bars over the range of points; full marks belong to the last, extra credit too."""
        counts = Counter(min(int(row.points / self.maximum * BINS + 1e-9), BINS - 1) if self.maximum else 0 for row in self.rows)
        return [Bin(self.maximum * n / BINS, self.maximum * (n + 1) / BINS, counts[n]) for n in range(BINS)]

    def hardest_first(self) -> list[ExerciseTally]:
        """Return the exercises by their mean share, the lowest first; those that nobody's is settled of come last."""
        return sorted(self.tallies.values(), key=lambda tally: 2.0 if tally.mean is None else tally.mean)

    def by_points(self) -> list[LearnerRow]:
        """Return the learners by points, the lowest first: who needs help stands at the top."""
        return sorted(self.rows, key=lambda row: row.points)

    def late(self) -> list[LearnerRow]:
        """Return who handed in late, or lost points for it, in the order of their names."""
        return [row for row in self.rows if row.late or row.taken]

    def not_graded(self) -> list[tuple[str, str, float | None]]:
        """Return whom the last class run could not grade, why, and the points of an earlier submission, which still count, if there was one."""
        points = {row.learner: row.points for row in self.rows}
        return [(who, why, points.get(who)) for who, why in self.last.not_graded.items()]

    def times(self) -> list[tuple[Lesson, Spread | None]]:
        """Return per lesson the spread of the seconds that its recorded commands ran, of learners who have any."""
        return [(lesson, spread(self.seconds[lesson.name]) if self.seconds[lesson.name] else None) for lesson in self.lessons]
