"""Visible checks: what a learner may know about an exercise before handing in. The grader starts from the same rows."""

from importlib import import_module

from labkit.rows import VisibleCheck

LESSONS = ("start", "environment", "inference")


def visible_check(grade_id: str) -> VisibleCheck:
    """Return the visible check of a grade id: "environment-jobs" is the function `jobs` of labkit.checks.environment.

    Raises KeyError for a grade id that has none.
    """
    lesson, _, name = grade_id.partition("-")
    if lesson not in LESSONS:
        raise KeyError(grade_id)
    checks: dict[str, VisibleCheck] = import_module(f"labkit.checks.{lesson}").CHECKS
    return checks[name]
