"""Write graded submissions into nbgrader's gradebook: the rows that `nbgrader autograde` writes, one transaction per submission.

nbgrader's own objects take a query per cell, a quarter of a second per submission. These statements use nbgrader's tables and follow
Gradebook.update_or_create_submission, SaveAutoGrades and AssignLatePenalties of nbgrader 0.9.6; a score that a person gave stays.
"""

import uuid
from datetime import datetime, timedelta
from typing import Any

from nbgrader import api
from nbgrader.preprocessors import AssignLatePenalties
from sqlalchemy import Connection, bindparam, func, insert, select, update

from grading.classrun.one import Graded
from grading.classrun.plan import COMMENT, GRADE, NOTEBOOK, SUBMITTED, Plan


def save(
    book: Connection, plan: Plan, graded: Graded, when: datetime | None, late: AssignLatePenalties, *, looked_at: bool = False
) -> None:
    """Write one submission. The caller commits.

    `looked_at`: a person has seen this very submission, so that a cell with a score by hand waits for another look only where the
    automatic score is another one; nbgrader, and we otherwise, make each wait again.
    """
    student = api.Student.__table__
    if book.execute(select(student.c.id).where(student.c.id == graded.learner)).fetchone() is None:
        book.execute(insert(student).values(id=graded.learner))
    submission, seconds_late = _submission(book, plan, graded.learner, when)
    mine = _notebooks(book, plan, submission)
    _save_scores(book, plan, graded, mine, looked_at=looked_at)
    for name, row in mine.items():
        _penalise(book, (row, list(plan.graded[name].values())), (graded.learner, seconds_late), late)


def _submission(book: Connection, plan: Plan, learner: str, when: datetime | None) -> tuple[str, float]:
    """Return the id of the learner's submission, which is made where there was none, and by how many seconds it is late."""
    mine = (SUBMITTED.c.assignment_id == plan.assignment, SUBMITTED.c.student_id == learner)
    row = book.execute(select(SUBMITTED.c.id, SUBMITTED.c.timestamp, SUBMITTED.c.extension).where(*mine)).fetchone()
    if row is None:
        number = _id(plan.assignment, learner)
        book.execute(insert(SUBMITTED).values(id=number, assignment_id=plan.assignment, student_id=learner, timestamp=when))
        return number, _late(plan, when, None)
    if when is not None:
        book.execute(update(SUBMITTED).where(SUBMITTED.c.id == row.id).values(timestamp=when))
    return str(row.id), _late(plan, when or row.timestamp, row.extension)


def _notebooks(book: Connection, plan: Plan, submission: str) -> dict[str, str]:
    """Return {name: row} of a submission's notebooks; makes rows that are not there, of an assignment that has grown for example."""
    asked = select(NOTEBOOK.c.notebook_id, NOTEBOOK.c.id).where(NOTEBOOK.c.assignment_id == submission)
    known = {str(notebook): str(row) for notebook, row in book.execute(asked).all()}
    new = {number: _id(submission, number) for number in plan.notebooks.values() if number not in known}
    rows = [{"id": row, "assignment_id": submission, "notebook_id": number, "flagged": False} for number, row in new.items()]
    if rows:
        book.execute(insert(NOTEBOOK), rows)
    return {name: (known | new)[number] for name, number in plan.notebooks.items()}


def _save_scores(book: Connection, plan: Plan, graded: Graded, mine: dict[str, str], *, looked_at: bool) -> None:
    """Write the scores and comments of all notebooks. `mine`: {notebook: the submission's row of it}."""
    grades = {(mine[name], cell) for name, cells in plan.graded.items() for cell in cells.values()}
    known = _made(book, GRADE, grades, (GRADE.c.manual_score, GRADE.c.auto_score, GRADE.c.needs_manual_grade), {"needs_manual_grade": True})
    _made(book, COMMENT, {(mine[name], cell) for name, cells in plan.commented.items() for cell in cells.values()}, (COMMENT.c.id,), {})
    scores, comments = [], []
    for name, notebook in graded.notebooks.items():
        row, cells, commented = mine[name], plan.graded[name], plan.commented[name]
        for one, score in notebook.scores.items():
            if (cell := cells.get(one)) is not None:
                scores.append({"row": row, "cell": cell, "score": score, "waits": _waits(known.get(cell), score, looked_at=looked_at)})
        comments += [{"row": row, "cell": commented[one], "text": text} for one, text in notebook.comments.items() if one in commented]
    _set(book, GRADE, scores, {"auto_score": "score", "needs_manual_grade": "waits"})
    _set(book, COMMENT, comments, {"auto_comment": "text"})


def _waits(known: tuple[Any, ...] | None, score: float | None, *, looked_at: bool) -> bool:
    """Whether a person has to look. `known`: the score by hand, the automatic score and whether it waited, of the row as it is."""
    by_hand, before, waited = known or (None, None, True)
    if looked_at and by_hand is not None and before == score:
        return bool(waited)
    return score is None or by_hand is not None


def _made(
    book: Connection, table: Any, wanted: set[tuple[str, str]], columns: tuple[Any, ...], empty: dict[str, Any]
) -> dict[str, tuple[Any, ...]]:
    """Return {cell: columns of its row}; makes the (notebook, cell) rows that are not there."""
    rows, cells = sorted({row for row, _ in wanted}), sorted({cell for _, cell in wanted})
    # the cells are named, because the tables' only index begins with them: without, a query reads every learner's rows
    asked = select(table.c.cell_id, *columns).where(table.c.notebook_id.in_(rows), table.c.cell_id.in_(cells))
    known = {str(cell): tuple(values) for cell, *values in book.execute(asked).all()}  # row by row takes twice as long
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
        counted = func.coalesce(GRADE.c.manual_score, GRADE.c.auto_score, 0.0) + func.coalesce(GRADE.c.extra_credit, 0.0)
        asked = select(func.coalesce(func.sum(counted), 0.0)).where(GRADE.c.notebook_id == row, GRADE.c.cell_id.in_(cells))
        score = float(book.execute(asked).scalar_one())
        said = late.plugin_inst.late_submission_penalty(who[0], score, who[1])
        penalty = None if said is None else min(max(float(said), 0.0), score)
    book.execute(update(NOTEBOOK).where(NOTEBOOK.c.id == row).values(late_submission_penalty=penalty))


def _id(*parts: str) -> str:
    """Return a row's id: the same for the same learner and cell, so that a row cannot be written twice."""
    return uuid.uuid5(uuid.NAMESPACE_URL, "/".join(parts)).hex
