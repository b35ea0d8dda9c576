"""Read nbgrader's gradebook in bulk: three queries for a class, and one learner's rows in memory at a time.

nbgrader's own objects load each grade by a query of their own, which takes minutes for a thousand learners. The statements are
plain SQL over the tables of nbgrader 0.9, and write nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, text

from grading.report.plan import GradedCell
from grading.report.words import lines

_CELLS = """
select n.name, c.name, coalesce(g.max_score, t.max_score), s.id is not null or t.id is not null
from assignment a join notebook n on n.assignment_id = a.id join base_cell c on c.notebook_id = n.id
left join grade_cells g on g.id = c.id left join task_cells t on t.id = c.id
left join base_cell s on s.notebook_id = n.id and s.name = c.name and s.type = 'SolutionCell'
where a.name = :assignment and (g.id is not null or t.id is not null) order by n.name, c.name
"""
_GRADES = """
select sa.student_id, sa.timestamp, n.name, sn.late_submission_penalty, c.name, g.auto_score, g.manual_score, g.extra_credit,
  g.needs_manual_grade, a.duedate, sa.extension
from assignment a join submitted_assignment sa on sa.assignment_id = a.id
left join submitted_notebook sn on sn.assignment_id = sa.id left join notebook n on n.id = sn.notebook_id
left join grade g on g.notebook_id = sn.id left join base_cell c on c.id = g.cell_id
where a.name = :assignment order by sa.student_id
"""
_COMMENTS = """
select sa.student_id, n.name, c.name, m.manual_comment
from assignment a join submitted_assignment sa on sa.assignment_id = a.id join submitted_notebook sn on sn.assignment_id = sa.id
join notebook n on n.id = sn.notebook_id join comment m on m.notebook_id = sn.id join base_cell c on c.id = m.cell_id
where a.name = :assignment and m.manual_comment is not null and m.manual_comment <> ''
"""
_ABSENT = """
select id from student where id not in (select sa.student_id from submitted_assignment sa join assignment a on a.id = sa.assignment_id
where a.name = :assignment) order by id
"""
_INTERVAL_ZERO = datetime(1970, 1, 1)  # SQLite has no intervals: SQLAlchemy keeps them as the time that long after this


@dataclass(frozen=True)
class Grade:
    """One cell's scores. None: nobody has given that one."""

    auto: float | None
    manual: float | None
    extra: float
    waits: bool

    @property
    def points(self) -> float | None:
        """What counts, by nbgrader's rule: the person's score before the automatic one, and extra credit; None without either."""
        given = self.manual if self.manual is not None else self.auto
        return None if given is None else given + self.extra


@dataclass
class Entry:
    """What the gradebook holds of one learner: grades and comments by (notebook, cell), late penalties by notebook.

    `late`: seconds after the date for handing in, with what this learner was granted; 0 on time, or where there is no date.
    """

    learner: str
    handed_in: datetime | None = None
    late: float = 0.0
    grades: dict[tuple[str, str], Grade] = field(default_factory=dict)
    comments: dict[tuple[str, str], str] = field(default_factory=dict)
    penalties: dict[str, float] = field(default_factory=dict)


def assignments(book: Connection) -> list[str]:
    """Return the names of the gradebook's assignments. This, as all that reads it, raises SQLAlchemyError where that is not possible."""
    return [str(name) for (name,) in book.execute(text("select name from assignment order by name"))]


def graded_cells(book: Connection, assignment: str) -> list[GradedCell]:
    """Return the graded cells of the assignment."""
    return [
        GradedCell(str(n), str(c), float(most), bool(hand)) for n, c, most, hand in book.execute(text(_CELLS), {"assignment": assignment})
    ]


def absent(book: Connection, assignment: str) -> list[str]:
    """Return the learners of the gradebook who handed nothing in."""
    return [str(one) for (one,) in book.execute(text(_ABSENT), {"assignment": assignment})]


def entries(book: Connection, assignment: str) -> Iterator[Entry]:
    """Yield what the gradebook holds of each learner who handed in, in the order of their names."""
    asked = {"assignment": assignment}
    comments: dict[str, dict[tuple[str, str], str]] = {}
    for learner, notebook, cell, said in book.execute(text(_COMMENTS), asked):
        comments.setdefault(learner, {})[notebook, cell] = lines(said)
    rows = book.execute(text(_GRADES), asked, execution_options={"yield_per": 2000})
    for learner, theirs in groupby(rows, key=lambda row: row[0]):
        yield _entry(str(learner), theirs, comments.get(learner, {}))


def _entry(learner: str, rows: Iterator[Any], comments: dict[tuple[str, str], str]) -> Entry:
    entry = Entry(learner, comments=comments)
    for _, when, notebook, penalty, cell, auto, manual, extra, waits, due, more in rows:
        entry.handed_in, entry.late = _time(when), _late(_time(when), _time(due), more)
        if penalty:
            entry.penalties[notebook] = float(penalty)
        if cell is not None:
            entry.grades[notebook, cell] = Grade(auto, manual, float(extra or 0), bool(waits))
    return entry


def _late(handed_in: datetime | None, due: datetime | None, more: Any) -> float:
    """Return how many seconds late a submission is, by nbgrader's rule. `more`: the extension as the database hands it out."""
    if handed_in is None or due is None:
        return 0.0
    granted = more if isinstance(more, timedelta) else (_time(more) or _INTERVAL_ZERO) - _INTERVAL_ZERO
    return max((handed_in - due - granted).total_seconds(), 0.0)


def _time(when: Any) -> datetime | None:
    """Return a time; SQLite keeps them as text."""
    try:
        return datetime.fromisoformat(when) if isinstance(when, str) else when
    except ValueError:
        return None
