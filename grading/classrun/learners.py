"""Who handed in: the folders of submitted/ that can be graded, and for each of the others why not."""

import os
from collections.abc import Collection, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path

from nbgrader.coursedir import CourseDirectory

from grading.classrun.digests import MAX_FILES, files_under
from grading.classrun.outcome import ClassStopped
from grading.guard import timestamp_in, usable

_SHOWN = 3  # names of what lies there instead


def learners_of(folders: CourseDirectory, assignment: str, known: Collection[str]) -> tuple[list[tuple[str, Path]], dict[str, str]]:
    """Return (learner, folder) of every submission, sorted by name, and {name: why it cannot be graded}.

    `known`: the assignments of the gradebook; who handed in only others of them has not handed in this one. Raises ClassStopped.
    """
    submitted = Path(folders.format_path(folders.submitted_directory, "*", assignment)).parent.parent
    excluded = {one.strip() for one in folders.student_id_exclude.split(",")}  # as nbgrader reads it
    try:
        entries = sorted(one for one in submitted.iterdir() if one.name not in excluded and not one.name.startswith("."))
    except OSError as error:
        raise ClassStopped(
            f"{submitted}: {error.strerror}. Expected the folder of what was handed in: submitted/<learner>/{assignment}/."
        ) from None
    found: list[tuple[str, Path]] = []
    others: dict[str, str] = {}
    for entry in entries:
        why = _why_not(entry, assignment, known)
        if why is None:
            found.append((entry.name, entry / assignment))
        elif why:
            others[entry.name] = why
    if not found and not others:
        raise ClassStopped(
            f"{submitted}: nobody has handed in {assignment}. Expected submitted/<learner>/{assignment}/ with the notebooks in it."
        )
    return found, others


def untimed(learners: Iterable[tuple[str, Path]]) -> list[str]:
    """Return who has no usable time stamp. nbgrader keeps that of an earlier submission, and takes those without as in time."""
    return [learner for learner, folder in learners if timestamp_in(folder)[1] is None]


def without_folder(learners: Iterable[str], folders: CourseDirectory, assignment: str) -> Iterator[str]:
    """Yield those of `learners` who have no folder of the assignment in submitted/: it was renamed or removed."""
    for learner in learners:
        if not os.path.isdir(folders.format_path(folders.submitted_directory, learner, assignment)):  # noqa: PTH112 - raises for no name
            yield learner


def _why_not(entry: Path, assignment: str, known: Collection[str]) -> str | None:
    """Return why a learner's folder cannot be graded, "" where nothing of this assignment is expected, None where it can."""
    if not usable(entry.name):
        return "no gradebook or log can hold that name: rename the folder, and run again"
    if not entry.is_dir():
        return f"a file, not a folder: expected {entry.name}/{assignment}/"
    folder = entry / assignment
    try:
        inside = sorted(one.name for one in entry.iterdir())
        if not folder.is_dir():
            return "" if inside and set(inside) <= set(known) else _instead(assignment, inside)
        names = [one.name for one in folder.iterdir()]
    except OSError:
        return "its folder may not be read: give the grader's user permission, and run again"
    if (folder / assignment).is_dir() and not any(name.endswith(".ipynb") for name in names):
        return f"there is a second folder {assignment} inside {assignment}, and no notebook beside it: move its contents up, and run again"
    closed = _closed(folder, names)
    return f"{closed} may not be read: give the grader's user permission, and run again" if closed else None


def _instead(assignment: str, inside: list[str]) -> str:
    shown = ", ".join(inside[:_SHOWN]) + (", ..." if len(inside) > _SHOWN else "")
    return f"there is no folder {assignment} in it" + (f", but {shown}" if inside else ": it is empty")


def _closed(folder: Path, names: list[str]) -> str:
    """Return the first notebook or file of evidence that may not be read: a fault on this side, which must not cost a learner points."""
    evidence = folder / "evidence"
    if evidence.exists() and not os.access(evidence, os.R_OK | os.X_OK):
        return evidence.name
    notebooks = (folder / name for name in sorted(names) if name.endswith(".ipynb"))
    for path in chain(notebooks, islice(files_under(evidence), MAX_FILES)):
        if not path.is_symlink() and path.exists() and not os.access(path, os.R_OK):
            return str(path.relative_to(folder))
    return ""
