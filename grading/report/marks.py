"""One learner's report as data: every exercise with its state in words, its points, and what the judge and the instructor said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import islice
from typing import Literal

from grading.report.book import Entry, Grade
from grading.report.plan import Exercise, Lesson
from grading.report.told import Told

State = Literal["passed", "partial", "not yet", "not judged", "waits for a person", "not graded"]
SETTLED: tuple[State, ...] = ("passed", "partial", "not yet")
STEPS = 3


@dataclass(frozen=True)
class Mark:
    """One exercise of one learner. `points` counts so far; for a state that is not settled it may still change.

    `by_person`: an instructor gave the points.
    """

    exercise: Exercise
    state: State
    points: float
    by_person: bool
    told: Told | None
    comments: tuple[str, ...] = ()

    @property
    def settled(self) -> bool:
        """True when nobody has to look at it any more."""
        return self.state in SETTLED

    @property
    def share(self) -> float:
        """The points as a share of what there is, from 0 to 1."""
        return min(max(self.points / self.exercise.points, 0.0), 1.0) if self.exercise.points else float(self.state == "passed")

    @property
    def untouched(self) -> bool:
        """True when the exercise earned nothing because its cells have not run."""
        nothing = self.told.untouched if self.told else self.exercise.by_hand
        return self.state == "not yet" and not self.by_person and nothing

    @property
    def next_step(self) -> str:
        """What to do, for an exercise that still has something to earn."""
        if self.by_person:
            return "Read what your instructor wrote, change your answer and hand in again."
        return (self.told.next if self.told else "") or "Do this exercise, save the notebook and hand in again."


@dataclass(frozen=True)
class LessonMarks:
    """One lesson of one learner. `seconds` is how long its recorded commands ran, `comments` what belongs to no exercise of it."""

    lesson: Lesson
    marks: tuple[Mark, ...]
    penalty: float
    seconds: float
    comments: tuple[str, ...] = ()

    @cached_property
    def taken(self) -> float:
        """What the penalty for handing in late costs: no more than there is, as in nbgrader."""
        return min(self.penalty, max(sum(mark.points for mark in self.marks), 0.0))

    @cached_property
    def points(self) -> float:
        """What counts, after the penalty for handing in late; never below 0."""
        return max(sum(mark.points for mark in self.marks) - self.taken, 0.0)


@dataclass(frozen=True)
class LearnerReport:
    """Everything that a learner's page shows. Texts are cleaned, not escaped. `late`: seconds after the date for handing in."""

    learner: str
    handed_in: datetime | None
    lessons: tuple[LessonMarks, ...]
    late: float = 0.0

    @cached_property
    def marks(self) -> tuple[Mark, ...]:
        """All exercises in course order."""
        return tuple(mark for lesson in self.lessons for mark in lesson.marks)

    @cached_property
    def points(self) -> float:
        """All points together."""
        return sum(lesson.points for lesson in self.lessons)

    @cached_property
    def taken(self) -> float:
        """What handing in late cost, in points."""
        return sum(lesson.taken for lesson in self.lessons)

    @cached_property
    def maximum(self) -> float:
        """What the assignment is worth."""
        return sum(lesson.lesson.points for lesson in self.lessons)

    @cached_property
    def seconds(self) -> float:
        """How long all recorded commands ran."""
        return sum(lesson.seconds for lesson in self.lessons)

    def count(self, *states: State) -> int:
        """Return how many exercises are in one of these states."""
        return sum(mark.state in states for mark in self.marks)

    def next_steps(self) -> list[Mark]:
        """Return the first three exercises that the learner can still earn something with, in course order."""
        return list(islice((mark for mark in self.marks if mark.state in ("partial", "not yet")), STEPS))

    def grades(self) -> dict[str, dict[str, float]]:
        """Return {grade id: points and maximum} of what is settled, for `labkit progress`, which takes no more points than there are."""
        settled = [(mark.exercise, mark.points) for mark in self.marks if mark.settled]
        return {one.grade_id: {"points": min(max(points, 0.0), one.points), "max": one.points} for one, points in settled}


def learner_report(
    lessons: Sequence[Lesson], entry: Entry, told: Mapping[str, Mapping[str, Told]], seconds: Mapping[str, float]
) -> LearnerReport:
    """Put together what the gradebook, the judge ({notebook: {grade id: verdict}}) and the evidence (seconds by prefix) say."""
    marked = tuple(_lesson(lesson, entry, told.get(lesson.name, {}), seconds) for lesson in lessons)
    return LearnerReport(entry.learner, entry.handed_in, marked, entry.late)


def _lesson(lesson: Lesson, entry: Entry, told: Mapping[str, Told], seconds: Mapping[str, float]) -> LessonMarks:
    said = {cell: comment for (notebook, cell), comment in entry.comments.items() if notebook == lesson.name}
    marks = tuple(
        _mark(exercise, entry.grades.get((lesson.name, exercise.grade_id)), told, _of(exercise, said)) for exercise in lesson.exercises
    )
    shown = {comment for mark in marks for comment in mark.comments}
    return LessonMarks(
        lesson, marks, entry.penalties.get(lesson.name, 0.0), sum(seconds.get(prefix, 0.0) for prefix in lesson.prefixes),
        tuple(comment for comment in said.values() if comment not in shown),
    )  # fmt: skip


def _of(exercise: Exercise, said: Mapping[str, str]) -> tuple[str, ...]:
    """Return the comments on an exercise: formgrader keeps them with the solution cells, `answer-<grade id>` and `answer-<grade id>-<more>`."""
    answer = f"answer-{exercise.grade_id}"
    return tuple(comment for cell, comment in said.items() if cell in (exercise.grade_id, answer) or cell.startswith(f"{answer}-"))


def _mark(exercise: Exercise, grade: Grade | None, told: Mapping[str, Told], comments: tuple[str, ...]) -> Mark:
    said = told.get(exercise.grade_id)
    points = (grade.points if grade else None) or 0.0
    by_person = grade is not None and grade.manual is not None
    return Mark(exercise, _state(exercise, grade, said), points, by_person, said, comments)


def _state(exercise: Exercise, grade: Grade | None, told: Told | None) -> State:
    if grade is None:
        return "not graded"
    if grade.waits:
        return "not judged" if told and told.state == "not judged" and grade.manual is None else "waits for a person"
    if grade.points is None:
        return "not graded"
    if exercise.points == 0:  # nothing to earn: what the judge said is all there is
        return "not yet" if told and told.state == "failed" else "passed"
    return "passed" if grade.points >= exercise.points else "partial" if grade.points > 0 else "not yet"
