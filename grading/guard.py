"""Keep nbgrader's own file handling away from what learners handed in.

Stock autograding copies every file of a submission into autograded/ (following links, waiting for pipes) and reads its
timestamp.txt with a plain open(). Both happen before any preprocessor, so the converter gets a course directory that does
neither. A setting cannot do it: `c.AutogradeApp.*` is moved away by nbgrader as outdated, and `c.CourseDirectory.ignore` is
also what `nbgrader submit` and `collect` obey, which must carry evidence/.
"""

import glob
from datetime import datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.coursedir import CourseDirectory
from nbgrader.utils import parse_utc

from labkit.evidence import BadEvidence, read_bounded

TIMESTAMP = "timestamp.txt"
_MAX_TIMESTAMP_BYTES = 100


class GuardedCourseDirectory(CourseDirectory):  # type: ignore[misc]  # nbgrader ships no types
    """The course directory as autograding may see it."""

    @classmethod
    def like(cls, original: CourseDirectory) -> "GuardedCourseDirectory":
        """Return a guarded copy. The original is shared with collect and submit, so it stays as it is."""
        settings = {name: getattr(original, name) for name in original.trait_names(config=True)}
        return cls(parent=original.parent, **{**settings, "ignore": ["*"]})

    def get_existing_timestamp(self, dest_path: str) -> datetime | None:
        """As nbgrader's; a file that is no timestamp counts as none."""
        return timestamp_in(Path(dest_path))[1]


def timestamp_in(folder: Path) -> tuple[bytes, datetime | None]:
    """Return the timestamp of a submission as bytes and as a time, or (b"", None) where it has no usable one."""
    try:
        raw = read_bounded(folder, TIMESTAMP, _MAX_TIMESTAMP_BYTES)
        return raw, parse_utc(raw.decode().strip())
    except (BadEvidence, ValueError, ArithmeticError, TypeError, AttributeError):  # dateutil counts in floats and decimals
        return b"", None


def guard(converter: Any) -> None:
    """Give an Autograde converter that is about to start the guarded directory, and all notebooks of every submission.

    A notebook that is missing is graded like an empty one: what counts is the evidence, as everywhere else.
    """
    converter.coursedir = GuardedCourseDirectory.like(converter.coursedir)
    names = _notebook_names(converter.coursedir)
    for folder in _submissions(converter.coursedir):
        if names:
            converter.assignments[folder] = [str(Path(folder, f"{name}.ipynb")) for name in names]
    for folder in [folder for folder in converter.assignments if not usable(folder)]:
        del converter.assignments[folder]
        converter.log.error("%r: not graded: no gradebook or log can hold that name. Rename the folder, and autograde again.", folder)


def usable(folder: str) -> bool:
    """Whether nbgrader can work with a folder's name. It stops the whole class at a line break, and SQLite at what is no UTF-8."""
    return "\n" not in folder and folder == folder.encode(errors="replace").decode()


def _notebook_names(coursedir: CourseDirectory) -> list[str]:
    with Gradebook(coursedir.db_url, coursedir.course_id) as gradebook:
        try:
            listed = [notebook.name for notebook in gradebook.find_assignment(coursedir.assignment_id).notebooks]
        except MissingEntry:
            return []  # nbgrader itself says that the assignment was never generated
    return sorted(name for name in listed if fnmatch(name, coursedir.notebook_id))


def _submissions(coursedir: CourseDirectory) -> list[str]:
    pattern = coursedir.format_path(coursedir.submitted_directory, coursedir.student_id, coursedir.assignment_id)
    return [folder for folder in glob.glob(pattern) if Path(folder).is_dir()]  # noqa: PTH207 - the same strings as nbgrader's
