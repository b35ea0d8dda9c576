"""Write the reports: read the gradebook one learner at a time, write that learner's page, add to the class, and at last the class page."""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from nbgrader.coursedir import CourseDirectory
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import SQLAlchemyError

from grading.classrun.frame import config_of
from grading.classrun.told import last_run, summary_path
from grading.likeness import alike_path, load_alike
from grading.report.book import Entry, absent, assignments, entries, graded_cells
from grading.report.classroom import Classroom, Repaired
from grading.report.machine_time import seconds_by_prefix
from grading.report.marks import LearnerReport, learner_report
from grading.report.pages import class_page, learner_page
from grading.report.plan import Lesson, plan
from grading.report.told import repairs_in, told_in

_FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")  # what a learner may be called, as in labkit.learner
_TAKEN = {"index.html"}
PATIENCE_S = 5.0  # for another program that writes into the gradebook; one submission takes it a fraction of a second
# What SQLite says, and what it means to the instructor.
_CAUSES = {
    "is locked": "another program is writing to it. Wait for it to end, or close it (formgrader, nbgrader, a class run), and run this again.",
    "not a database": "it is damaged. Put a copy back in its place and run this again.",
    "malformed": "it is damaged. Put a copy back in its place and run this again.",
    "no such": "it is no gradebook of nbgrader 0.9. Is --course-dir the right folder? If it is, put a copy of the gradebook back.",
}


class NoReport(Exception):
    """There is nothing to report on. The text is written for the instructor."""


def write_reports(course: Path, assignment: str, to: Path) -> Path:
    """Write `to`/index.html, and per learner index.html and grades.json, and return the first. Older ones are written over.

    `course` is the folder of the gradebook, and of nbgrader_config.py where there is one. Raises NoReport.
    """
    folders = _course_directory(course)
    with _opened(folders, assignment) as book:
        lessons = plan(graded_cells(book, assignment))
        root = Path(folders.root)
        room = Classroom(lessons, load_alike(alike_path(root, assignment)), last_run(summary_path(root, assignment)))
        for entry in entries(book, assignment):
            report, repairs = _looked_up(lessons, entry, folders, assignment)
            room.add(report, _write_learner(to, assignment, report), repairs)
        missing = absent(book, assignment)
    return _write(to / "index.html", class_page(assignment, room, missing))


def folder_of(learner: str) -> str:
    """Return the name of a learner's folder: their own where a file can be called that, else one made from a hash."""
    usable = _FOLDER.fullmatch(learner) and learner.lower() not in _TAKEN
    return learner if usable else f"learner-{hashlib.sha256(learner.encode('utf-8', 'replace')).hexdigest()[:12]}"


def _course_directory(course: Path) -> CourseDirectory:
    """Return nbgrader's course directory as its own commands see it from `course`."""
    return CourseDirectory(config=config_of(course))


@contextmanager
def _opened(folders: CourseDirectory, assignment: str) -> Iterator[Connection]:
    """Connect to the gradebook. Not by nbgrader's Gradebook: that one adds tables and a course to what it opens."""
    path = folders.db_url.removeprefix("sqlite:///")
    of_sqlite = path != folders.db_url
    if of_sqlite and not Path(path).is_file():  # SQLite would make a new, empty one
        raise NoReport(f"{path}: not there. Expected nbgrader's gradebook. Run `nbgrader autograde {assignment}` first.")
    engine = create_engine(folders.db_url, connect_args={"timeout": PATIENCE_S} if of_sqlite else {})
    try:
        with engine.connect() as book:
            _refuse_unknown(assignment, assignments(book))
            yield book
    except SQLAlchemyError as problem:
        raise NoReport(f"{path if of_sqlite else 'The gradebook'}: {_cause(problem)}") from None
    finally:
        engine.dispose()


def _cause(problem: SQLAlchemyError) -> str:
    """Return why the gradebook could not be read, and what to do."""
    said = str(getattr(problem, "orig", None) or problem)
    known = next((cause for mark, cause in _CAUSES.items() if mark in said), None)
    return known or f"it could not be read ({said}). Mend that, or put a copy back in its place, and run this again."


def _refuse_unknown(assignment: str, known: Sequence[str]) -> None:
    if assignment not in known:
        raise NoReport(f"The gradebook has no assignment {assignment!r}. It has: {', '.join(known) or 'none'}.")


def _looked_up(lessons: Sequence[Lesson], entry: Entry, folders: CourseDirectory, assignment: str) -> tuple[LearnerReport, list[Repaired]]:
    """Read what belongs to a learner outside the gradebook: verdicts and repairs in autograded/, times in submitted/."""
    graded = Path(folders.format_path(folders.autograded_directory, entry.learner, assignment))
    evidence = Path(folders.format_path(folders.submitted_directory, entry.learner, assignment), "evidence")
    told = {lesson.name: told_in(graded, lesson.name) for lesson in lessons}
    repairs = [Repaired(entry.learner, lesson.name, tuple(found)) for lesson in lessons if (found := repairs_in(graded, lesson.name))]
    return learner_report(lessons, entry, told, seconds_by_prefix(evidence, entry.learner)), repairs


def _write_learner(to: Path, assignment: str, report: LearnerReport) -> str:
    """Write what one learner gets, and return the name of the folder."""
    folder = folder_of(report.learner)
    _write(to / folder / "index.html", learner_page(assignment, report))
    grades = {"learner": report.learner, "assignment": assignment, "exercises": report.grades()}
    _write(to / folder / "grades.json", json.dumps(grades, indent=1) + "\n")
    return folder


def _write(path: Path, text: str) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as problem:
        why = f"{path}: cannot be written ({problem.strerror or problem})."
        raise NoReport(f"{why} Name a folder that you may write to with --to, and run this again.") from None
    return path
