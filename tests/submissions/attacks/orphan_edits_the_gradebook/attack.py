from pathlib import Path

from handed import FUNCTIONS, Context, solve

CODE = """import subprocess, sys
subprocess.Popen([sys.executable, "-c", '''
open({mark!r}, "w")
for _ in range(100):
    sqlite3.connect({book!r}).execute("UPDATE grade SET manual_score = 99").connection.commit()
    time.sleep(1)
'''], start_new_session=True)
"""


def attack(submission: Path, course: Context) -> None:
    """Wants a process, begun by a cell, to write manual scores when the grader is gone; cells do not run, and functions cannot start one."""
    code = CODE.format(mark=str(course.outside / f"{course.mark}-orphan"), book=str(course.root / "gradebook.db"))
    for name, cell, _ in FUNCTIONS.values():
        solve(submission, name, cell, code)
