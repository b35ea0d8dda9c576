"""Which check a grade id names. Only functions that a listed module lists; a name from a submission reaches nothing else."""

import importlib
import inspect
from collections.abc import Callable, Mapping
from types import ModuleType

from grading.submission import Submission
from grading.verdict import Verdict

Check = Callable[[Submission, float], Verdict]
OUR_CHECKS = "grading.checks"


class BadRegistry(Exception):
    """A module lists something that is not a check of its own. The text is written for the author of the module."""


def load_checks(package: str = OUR_CHECKS) -> Mapping[str, Check]:
    """Return {grade id: check} for the modules that `package` lists. Raises BadRegistry, or ImportError for a module that is not there."""
    checks: dict[str, Check] = {}
    for name in importlib.import_module(package).MODULES:
        module = importlib.import_module(f"{package}.{name}")
        checks |= {f"{name}-{check.__name__}": check for check in _listed(module)}
    return checks


def learner_line(check: Check) -> str:
    """Return the line that the learner reads: the first of the check's docstring."""
    return (inspect.getdoc(check) or "").split("\n")[0]


def _listed(module: ModuleType) -> list[Check]:
    for check in module.CHECKS:
        if not inspect.isfunction(check) or check.__module__ != module.__name__ or not check.__doc__:
            raise BadRegistry(f"{module.__name__}.CHECKS: {check!r}. Expected functions of this module, each with a docstring.")
    return list(module.CHECKS)
