"""`nbgrader export` with names that a spreadsheet may open: quoted where they hold a comma, and never a formula."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nbgrader.api import Assignment, Gradebook, MissingEntry, Student
from nbgrader.plugins import CsvExportPlugin

_COLUMNS = (
    "assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email", "raw_score", "late_submission_penalty", "score",
    "max_score",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # what a spreadsheet takes for the beginning of one
_SHOWN_AS_TEXT = "'"


class SafeCsvExport(CsvExportPlugin):  # type: ignore[misc]  # nbgrader ships no types
    """As nbgrader's export, the same columns and rows. For c.ExportApp.plugin_class."""

    def export(self, gradebook: Gradebook) -> None:
        """Write one row per assignment and learner to `to`, "grades.csv" where that is not set."""
        path = Path(self.to or "grades.csv")
        self.log.info("Exporting grades to %s", path)
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(_COLUMNS)
            writer.writerows([as_text(value) for value in row] for row in self._rows(gradebook))

    def _rows(self, gradebook: Gradebook) -> Iterator[list[Any]]:
        for assignment in gradebook.assignments:
            if self.assignment and assignment.name not in self.assignment:
                continue
            for student in gradebook.students:
                if not self.student or student.id in map(str, self.student):
                    yield _row(gradebook, assignment, student)


def _row(gradebook: Gradebook, assignment: Assignment, student: Student) -> list[Any]:
    """A learner who handed nothing in has 0 points, as in nbgrader's."""
    try:
        handed_in = gradebook.find_submission(assignment.name, student.id)
        when, raw, penalty = handed_in.timestamp, handed_in.score, handed_in.late_submission_penalty
    except MissingEntry:
        when, raw, penalty = None, 0.0, 0.0
    names = [student.id, student.last_name, student.first_name, student.email]
    return [assignment.name, assignment.duedate, when, *names, raw, penalty, max(0.0, raw - penalty), assignment.max_score]


def as_text(value: object) -> str:
    """Return what stands in a cell: numbers as they are, and no text that a spreadsheet would compute."""
    text = "" if value is None else str(value)
    return f"{_SHOWN_AS_TEXT}{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text
