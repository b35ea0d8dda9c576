"""The checks of grading.checks, each judging as if the learner were "reference". For rehearsals and measurements only, never for a class.

Evidence is bound to its learner's name, and a rehearsal hands the reference's evidence in under a thousand names. With the real checks all
of it would fail at the first line ("recorded by 'reference'"), which costs nothing and scores nothing; with these, costs and scores are those
of real, full evidence. Nothing but the name differs. `Judge(checks="tools.as_reference")`, or `--checks tools.as_reference` on a command line.
"""

import dataclasses
import functools
from collections.abc import Callable
from weakref import WeakKeyDictionary

from grading.registry import Check, load_checks
from grading.submission import Submission
from grading.verdict import Verdict

LEARNER = "reference"
_real = functools.lru_cache(maxsize=1)(load_checks)


# One object per submission, so that what it remembers is remembered here, too; it goes with the submission, as with the real checks.
_of = WeakKeyDictionary[Submission, Submission]()


def _renamed(submission: Submission) -> Submission:
    """The same folder as the reference's."""
    if submission not in _of:
        _of[submission] = dataclasses.replace(submission, learner=LEARNER)
    return _of[submission]


def checks_of(lesson: str, module: str) -> list[Check]:
    """Return one lesson's checks, wrapped; grading.registry wants each to be a function of the `module` that lists it."""
    return [_wrapped(check, module) for grade_id, check in _real().items() if grade_id.startswith(f"{lesson}-")]


def _wrapped(check: Callable[[Submission, float], Verdict], module: str) -> Check:
    @functools.wraps(check)
    def judged(submission: Submission, points: float) -> Verdict:
        return check(_renamed(submission), points)

    judged.__module__ = module
    return judged
