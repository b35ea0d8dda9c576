"""A class run gives what `nbgrader autograde` gives one by one: the same files, byte for byte, and the same rows of the gradebook."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tools.rehearse_more import KINDS

pytestmark = pytest.mark.real
REPOSITORY = Path(__file__).parents[2]
ROWS = """
select sa.student_id, sa.timestamp, sn.late_submission_penalty, sn.flagged, n.name, c.name, 'grade', g.auto_score, g.manual_score, g.extra_credit, g.needs_manual_grade
from submitted_assignment sa join submitted_notebook sn on sn.assignment_id = sa.id join notebook n on n.id = sn.notebook_id
join grade g on g.notebook_id = sn.id join base_cell c on c.id = g.cell_id
union all
select sa.student_id, sa.timestamp, sn.late_submission_penalty, sn.flagged, n.name, c.name, 'comment', m.auto_comment, m.manual_comment, null, null
from submitted_assignment sa join submitted_notebook sn on sn.assignment_id = sa.id join notebook n on n.id = sn.notebook_id
join comment m on m.notebook_id = sn.id join base_cell c on c.id = m.cell_id
order by 1, 5, 6, 7
"""


def run(*command: str, cwd: Path = REPOSITORY) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=1200)
    assert done.returncode in (0, 1), done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def rows(course: Path) -> list[tuple[object, ...]]:
    with sqlite3.connect(course / "gradebook.db") as book:
        return book.execute(ROWS).fetchall()


def files(course: Path) -> dict[str, bytes]:
    top = course / "autograded"
    return {str(path.relative_to(top)): path.read_bytes() for path in sorted(top.rglob("*")) if path.is_file()}


@pytest.mark.timeout(1500)
def test_every_kind_of_submission_is_graded_as_nbgrader_does(tmp_path: Path) -> None:
    each = [word for kind in KINDS for word in ("--kind", kind.name)]
    ours, stock = tmp_path / "ours", tmp_path / "stock"
    run(sys.executable, "-m", "tools.rehearse", "--learners", str(len(KINDS)), *each, "--to", str(ours))
    run(sys.executable, "-m", "tools.rehearse", "--learners", str(len(KINDS)), *each, "--to", str(stock))
    run(sys.executable, "-m", "grading", "class", "--course-dir", str(ours), "--jobs", "2")
    run(str(Path(sys.executable).with_name("nbgrader")), "autograde", "day2", cwd=stock)
    assert files(ours).keys() == files(stock).keys()
    differ = [name for name, data in files(ours).items() if files(stock)[name] != data]
    assert differ == []
    assert rows(ours) == rows(stock) and len(rows(ours)) > 100 * len(KINDS)
