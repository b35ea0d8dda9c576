"""Write graded submissions into nbgrader's gradebook: the rows that `nbgrader autograde` writes, one transaction per submission.

nbgrader's own objects take a query per cell, a quarter of a second per submission. These statements use nbgrader's tables and follow
Gradebook.update_or_create_submission, SaveAutoGrades and AssignLatePenalties of nbgrader 0.9.6; a score that a person gave stays.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from nbgrader import api
from nbgrader.preprocessors import AssignLatePenalties
from sqlalchemy import Connection, bindparam, func, insert, select, update

from grading.classrun.one import Graded

_SUBMITTED, _NOTEBOOK, _GRADE, _COMMENT = (
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


def sums(book: Connection, plan: Plan) -> dict[str, tuple[int, float]]:
    """Return {learner: (number, sum) of the automatic scores}, by which a gradebook put back from a copy is known."""
    joined = _SUBMITTED.join(_NOTEBOOK, _NOTEBOOK.c.assignment_id == _SUBMITTED.c.id).join(_GRADE, _GRADE.c.notebook_id == _NOTEBOOK.c.id)
    asked = select(_SUBMITTED.c.student_id, func.count(_GRADE.c.auto_score), func.coalesce(func.sum(_GRADE.c.auto_score), 0.0)).select_from(
        joined
    )
    rows = book.execute(asked.where(_SUBMITTED.c.assignment_id == plan.assignment).group_by(_SUBMITTED.c.student_id))
    return {str(who): (int(count), round(float(total), 6)) for who, count, total in rows}


def save(book: Connection, plan: Plan, graded: Graded, when: datetime | None, late: AssignLatePenalties) -> None:
    """Write one submission. The caller commits."""
    student = api.Student.__table__
    if book.execute(select(student.c.id).where(student.c.id == graded.learner)).fetchone() is None:
        book.execute(insert(student).values(id=graded.learner))
    submission, seconds_late = _submission(book, plan, graded.learner, when)
    mine = _notebooks(book, plan, submission)
    _save_scores(book, plan, graded, mine)
    for name, row in mine.items():
        _penalise(book, (row, list(plan.graded[name].values())), (graded.learner, seconds_late), late)


def _submission(book: Connection, plan: Plan, learner: str, when: datetime | None) -> tuple[str, float]:
    """Return the id of the learner's submission, which is made where there was none, and by how many seconds it is late."""
    mine = (_SUBMITTED.c.assignment_id == plan.assignment, _SUBMITTED.c.student_id == learner)
    row = book.execute(select(_SUBMITTED.c.id, _SUBMITTED.c.timestamp, _SUBMITTED.c.extension).where(*mine)).fetchone()
    if row is None:
        number = _id(plan.assignment, learner)
        book.execute(insert(_SUBMITTED).values(id=number, assignment_id=plan.assignment, student_id=learner, timestamp=when))
        return number, _late(plan, when, None)
    if when is not None:
        book.execute(update(_SUBMITTED).where(_SUBMITTED.c.id == row.id).values(timestamp=when))
    return str(row.id), _late(plan, when or row.timestamp, row.extension)


def _notebooks(book: Connection, plan: Plan, submission: str) -> dict[str, str]:
    """Return {name: row} of a submission's notebooks; makes rows that are not there, of an assignment that has grown for example."""
    asked = select(_NOTEBOOK.c.notebook_id, _NOTEBOOK.c.id).where(_NOTEBOOK.c.assignment_id == submission)
    known = {str(notebook): str(row) for notebook, row in book.execute(asked)}
    new = {number: _id(submission, number) for number in plan.notebooks.values() if number not in known}
    rows = [{"id": row, "assignment_id": submission, "notebook_id": number, "flagged": False} for number, row in new.items()]
    if rows:
        book.execute(insert(_NOTEBOOK), rows)
    return {name: (known | new)[number] for name, number in plan.notebooks.items()}


def _save_scores(book: Connection, plan: Plan, graded: Graded, mine: dict[str, str]) -> None:
    """Write the scores and comments of all notebooks. `mine`: {notebook: the submission's row of it}."""
    grades = {(mine[name], cell) for name, cells in plan.graded.items() for cell in cells.values()}
    by_hand = _made(book, _GRADE, grades, _GRADE.c.manual_score, {"needs_manual_grade": True})
    _made(book, _COMMENT, {(mine[name], cell) for name, cells in plan.commented.items() for cell in cells.values()}, _COMMENT.c.id, {})
    scores, comments = [], []
    for name, notebook in graded.notebooks.items():
        row, cells, commented = mine[name], plan.graded[name], plan.commented[name]
        for one, score in notebook.scores.items():
            if (cell := cells.get(one)) is not None:
                scores.append({"row": row, "cell": cell, "score": score, "waits": score is None or by_hand.get(cell) is not None})
        comments += [{"row": row, "cell": commented[one], "text": text} for one, text in notebook.comments.items() if one in commented]
    _set(book, _GRADE, scores, {"auto_score": "score", "needs_manual_grade": "waits"})
    _set(book, _COMMENT, comments, {"auto_comment": "text"})


def _made(book: Connection, table: Any, wanted: set[tuple[str, str]], column: Any, empty: dict[str, Any]) -> dict[str, Any]:
    """Return {cell: a column of its row}; makes the (notebook, cell) rows that are not there."""
    rows, cells = sorted({row for row, _ in wanted}), sorted({cell for _, cell in wanted})
    # the cells are named, because the tables' only index begins with them: without, a query reads every learner's rows
    asked = select(table.c.cell_id, column).where(table.c.notebook_id.in_(rows), table.c.cell_id.in_(cells))
    known = {str(cell): value for cell, value in book.execute(asked)}
    kind = table.name
    new = [{"id": _id(row, cell, kind), "notebook_id": row, "cell_id": cell, **empty} for row, cell in sorted(wanted) if cell not in known]
    if new:
        book.execute(insert(table), new)
    return known


def _set(book: Connection, table: Any, rows: list[dict[str, Any]], columns: dict[str, str]) -> None:
    if rows:
        values: dict[str, Any] = {column: bindparam(name) for column, name in columns.items()}
        book.execute(
            update(table).where(table.c.notebook_id == bindparam("row"), table.c.cell_id == bindparam("cell")).values(values), rows
        )


def _late(plan: Plan, when: datetime | None, extension: timedelta | None) -> float:
    if when is None or plan.duedate is None:
        return 0.0
    return max(0.0, (when - (plan.duedate + (extension or timedelta()))).total_seconds())


def _penalise(book: Connection, notebook: tuple[str, list[str]], who: tuple[str, float], late: AssignLatePenalties) -> None:
    """Ask nbgrader's late plug-in, as AssignLatePenalties does. `notebook`: the submission's row of it, and its graded cells."""
    row, cells = notebook
    penalty = None
    if who[1] > 0:
        counted = func.coalesce(_GRADE.c.manual_score, _GRADE.c.auto_score, 0.0) + func.coalesce(_GRADE.c.extra_credit, 0.0)
        asked = select(func.coalesce(func.sum(counted), 0.0)).where(_GRADE.c.notebook_id == row, _GRADE.c.cell_id.in_(cells))
        score = float(book.execute(asked).scalar_one())
        said = late.plugin_inst.late_submission_penalty(who[0], score, who[1])
        penalty = None if said is None else min(max(float(said), 0.0), score)
    book.execute(update(_NOTEBOOK).where(_NOTEBOOK.c.id == row).values(late_submission_penalty=penalty))


def _id(*parts: str) -> str:
    """Return a row's id: the same for the same learner and cell, so that a row cannot be written twice."""
    return uuid.uuid5(uuid.NAMESPACE_URL, "/".join(parts)).hex
