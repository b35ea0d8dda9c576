"""What nbgrader's gradebook says of an assignment: its plan, a digest of a learner's rows, and what waits for a person."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from nbgrader import api
from sqlalchemy import Connection, func, select

SUBMITTED, NOTEBOOK, GRADE, COMMENT = (
    one.__table__ for one in (api.SubmittedAssignment, api.SubmittedNotebook, api.Grade, api.Comment)
)  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """The assignment in the gradebook: its id and due date, notebooks {name: id}, and per notebook {cell: id} of grades and comments."""

    assignment: str
    duedate: datetime | None
    notebooks: dict[str, str]
    graded: dict[str, dict[str, str]]
    commented: dict[str, dict[str, str]]


class NoAssignment(Exception):
    """The gradebook does not know the assignment. The text is written for the instructor."""


def plan_of(book: Connection, assignment: str) -> Plan:
    """Read the plan. Raises NoAssignment."""
    table = api.Assignment.__table__
    row = book.execute(select(table.c.id, table.c.duedate).where(table.c.name == assignment)).fetchone()
    if row is None:
        raise NoAssignment(f"The gradebook has no assignment {assignment!r}. Run `nbgrader generate_assignment {assignment}` first.")
    listed = api.Notebook.__table__
    notebooks = {
        str(n): str(i)
        for n, i in book.execute(select(listed.c.name, listed.c.id).where(listed.c.assignment_id == row.id).order_by(listed.c.name))
    }
    graded = {name: _cells(book, number, "GradeCell", "TaskCell") for name, number in notebooks.items()}
    commented = {name: _cells(book, number, "SolutionCell", "TaskCell") for name, number in notebooks.items()}
    return Plan(str(row.id), row.duedate, notebooks, graded, commented)


def _cells(book: Connection, notebook: str, *kinds: str) -> dict[str, str]:
    table = api.BaseCell.__table__
    return {
        str(n): str(i)
        for n, i in book.execute(select(table.c.name, table.c.id).where(table.c.notebook_id == notebook, table.c.type.in_(kinds)))
    }


def rows_digest(book: Connection, plan: Plan, learner: str) -> str:
    """Return a digest of what a class run wrote for a learner: time stamp, automatic scores and comments, penalties, and the extension."""
    mine = (SUBMITTED.c.assignment_id == plan.assignment, SUBMITTED.c.student_id == learner)
    submission = book.execute(select(SUBMITTED.c.id, SUBMITTED.c.timestamp, SUBMITTED.c.extension).where(*mine)).fetchone()
    if submission is None:
        return ""
    notebooks = book.execute(select(NOTEBOOK.c.id, NOTEBOOK.c.late_submission_penalty).where(NOTEBOOK.c.assignment_id == submission.id))
    told = {str(row): [penalty] for row, penalty in notebooks.all()}
    for table, column, cells in ((GRADE, GRADE.c.auto_score, plan.graded), (COMMENT, COMMENT.c.auto_comment, plan.commented)):
        wanted = [cell for some in cells.values() for cell in some.values()]
        asked = select(table.c.notebook_id, table.c.cell_id, column).where(table.c.notebook_id.in_(told), table.c.cell_id.in_(wanted))
        for row, cell, value in sorted(book.execute(asked).tuples().all(), key=lambda one: one[:2]):
            told[row].append((cell, value))
    return hashlib.sha256(repr((submission.timestamp, submission.extension, sorted(told.items()))).encode()).hexdigest()


def waiting(book: Connection, plan: Plan) -> dict[str, int]:
    """Return {cell: how many learners' answers wait for a person}."""
    cell = api.BaseCell.__table__
    wanted = [number for some in plan.graded.values() for number in some.values()]
    joined = GRADE.join(cell, GRADE.c.cell_id == cell.c.id)
    asked = select(cell.c.name, func.count()).select_from(joined).where(GRADE.c.cell_id.in_(wanted), GRADE.c.needs_manual_grade)
    return {str(name): int(count) for name, count in book.execute(asked.group_by(cell.c.name).order_by(cell.c.name))}


def handed_in(book: Connection, plan: Plan) -> Iterator[str]:
    """Yield the name of every learner with a submission of the assignment, in order."""
    asked = select(SUBMITTED.c.student_id).where(SUBMITTED.c.assignment_id == plan.assignment)
    return (str(name) for (name,) in book.execute(asked.order_by(SUBMITTED.c.student_id)))


def assignments(book: Connection) -> list[str]:
    """Return the names of all assignments."""
    return sorted(str(name) for (name,) in book.execute(select(api.Assignment.__table__.c.name)))
