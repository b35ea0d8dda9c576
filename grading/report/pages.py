"""From data to pages: the figures' numbers and alternative texts; the templates do the rest."""

from collections.abc import Iterable, Sequence

from grading.report.classroom import Classroom
from grading.report.look import render
from grading.report.marks import LearnerReport
from grading.report.words import duration, line, number

Bar = tuple[str, float, float, str]
_LABEL_CHARS = 20


def learner_page(assignment: str, report: LearnerReport) -> str:
    """Return a learner's page. It names nobody else and says nothing of repairs, so that it can be handed out."""
    points = [(lesson.lesson.name, lesson.points, lesson.lesson.points) for lesson in report.lessons]
    widest = max((most for _, _, most in points), default=0.0) or 1.0
    return render(
        "learner.html",
        assignment=assignment, name=line(report.learner, 80), report=report, steps=report.next_steps(),
        points_bars=[
            (line(name, _LABEL_CHARS), min(max(got, 0.0) / widest, 1.0), most / widest, f"{number(got)} of {number(most)}")
            for name, got, most in points
        ],
        points_text=_listed("Points by lesson", ((name, f"{number(got)} of {number(most)}") for name, got, most in points)),
        seconds_bars=_time_bars([(lesson.lesson.name, lesson.seconds) for lesson in report.lessons]),
        seconds_text=_listed("Machine time by lesson", ((lesson.lesson.name, duration(lesson.seconds)) for lesson in report.lessons)),
    )  # fmt: skip


def class_page(assignment: str, room: Classroom, absent: Sequence[str]) -> str:
    """Return the class page, for instructors only."""
    distribution, times = room.distribution(), room.times()
    medians = [(lesson.name, spread.median if spread else 0.0) for lesson, spread in times]
    hardest = room.hardest_first()
    return render(
        "class.html",
        assignment=assignment, room=room, absent=absent, totals=room.totals(), hardest=hardest, times=times,
        failing=[(tally, reasons) for tally in hardest if (reasons := tally.failing())],
        distribution=distribution, edges=[one.low for one in distribution] + [room.maximum],
        distribution_text=_listed("Learners by points", ((f"{number(one.low)} to {number(one.high)}", str(one.learners)) for one in distribution)),
        time_bars=_time_bars(medians),
        times_text=_listed("Median machine time by lesson", ((name, duration(seconds)) for name, seconds in medians)),
    )  # fmt: skip


def _time_bars(times: Sequence[tuple[str, float]]) -> list[Bar]:
    longest = max((seconds for _, seconds in times), default=0.0) or 1.0
    return [(line(name, _LABEL_CHARS), seconds / longest, 0.0, duration(seconds)) for name, seconds in times]


def _listed(title: str, values: Iterable[tuple[str, str]]) -> str:
    """Return the alternative text of a figure: every value of it."""
    return f"{title}: " + "; ".join(f"{name} {value}" for name, value in values) + "."
