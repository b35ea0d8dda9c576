"""Visible checks: what a learner may know about an exercise before handing in. The grader starts from the same rows."""

from importlib import import_module

from labkit.messages import LearnerMessage
from labkit.rows import VisibleCheck

LESSONS = ("start", "environment", "build", "debuggers", "inference", "profile", "exercises")


def visible_check(grade_id: str) -> VisibleCheck:
    """Return the visible check of a grade id: "environment-jobs" is the function `jobs` of labkit.checks.environment.

    Raises LearnerMessage for a grade id that has none.
    """
    lesson, _, name = str(grade_id).partition("-")
    checks: dict[str, VisibleCheck] = import_module(f"labkit.checks.{lesson}").CHECKS if lesson in LESSONS else {}
    if name not in checks:
        raise LearnerMessage(
            f"There is no exercise {grade_id!r}.", "Its id stands in the lesson's check cell; `labkit progress` lists all exercises."
        )
    return checks[name]
