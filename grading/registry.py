"""Which check a grade id names. Only functions that a module of checks lists as its own; a name from a submission reaches nothing else."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from functools import cache
from types import ModuleType

from grading.submission import Submission
from grading.verdict import Verdict

Check = Callable[[Submission, float], Verdict]
OUR_CHECKS = "grading.checks"


class BadRegistry(Exception):
    """A module lists something that is not a check of its own. The text is written for the author of the module."""


def load_checks(package: str = OUR_CHECKS) -> Mapping[str, Check]:
    """Return {grade id: check} for every module of `package` that lists CHECKS. Raises BadRegistry, or what a broken module raises."""
    checks: dict[str, Check] = {}
    for found in pkgutil.iter_modules(importlib.import_module(package).__path__):
        module = importlib.import_module(f"{package}.{found.name}")
        lesson = getattr(module, "LESSON", found.name)  # a lesson's checks may fill more than one module
        checks |= {f"{lesson}-{check.__name__}": check for check in _listed(module)}
    return checks


@cache  # inspect looks for inherited docstrings, which takes as long as a small check
def learner_line(check: Check) -> str:
    """Return the line that the learner reads: the first of the check's docstring."""
    return (inspect.getdoc(check) or "").split("\n")[0]


def _listed(module: ModuleType) -> list[Check]:
    checks = getattr(module, "CHECKS", ())
    for check in checks:
        if not inspect.isfunction(check) or check.__module__ != module.__name__ or not check.__doc__:
            raise BadRegistry(f"{module.__name__}.CHECKS: {check!r}. Expected functions of this module, each with a docstring.")
    return list(checks)
