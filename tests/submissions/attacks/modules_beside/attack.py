from pathlib import Path

from handed import Context

NAMES = ("grading/__init__.py", "grading/award.py", "grading/checks/__init__.py", "grading/checks/start.py", "labkit/__init__.py", "labkit/evidence.py", "json.py", "pydantic.py",
         "sitecustomize.py", "usercustomize.py", "conftest.py", "nbgrader_config.py", "pytest.py", "re.py", "evidence/json.py", "evidence/sitecustomize.py", "x.pth")  # fmt: skip
OTHERS = {
    "pytest.ini": "[pytest]\naddopts = -p json",
    "pyproject.toml": "[tool.x]",
    ".env": "PYTHONPATH=.",
    "pyvenv.cfg": "home = .",
    ".python-version": "0",
    "setup.cfg": "[x]",
}


def attack(submission: Path, course: Context) -> None:
    """Wants modules and settings of the submission to be loaded instead of the grader's; no grader starts in a learner's folder."""
    for name in NAMES:
        path = submission / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"open({str(course.outside / f'{course.mark}-{path.stem}')!r}, 'w')\ndef award(*_): return 99.0\n")
    for name, text in OTHERS.items():
        (submission / name).write_text(text)
