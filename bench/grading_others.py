"""The other graders of bench/grading.py, each on submissions of the same class: stock nbgrader twice, this course's plug-ins, otter."""

import json
import os
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.grading_measure import Cost, measured
from grading.catalogue import load_catalogue
from labkit.submit import ASSIGNMENT
from tools.rehearse_kinds import marks_of
from tools.stock import ROOT

NO_VLLM = ("00_start_here", "01_environment")  # the lessons whose cells start no engine
PATIENCE = 600.0  # seconds for one command
_PLAIN = '''"""nbgrader without plug-ins."""
c = get_config()  # noqa: F821
c.CourseDirectory.course_id = "vllm-day2"
c.CourseDirectory.root = {root!r}
'''
_GRADE = """### BEGIN HIDDEN TESTS
from bench.grading_cell import earned
earned("{grade_id}", {points})
### END HIDDEN TESTS"""
_TEST = """from otter.test_files import test_case

OK_FORMAT = False
name = "{grade_id}"
points = {points}


@test_case(points={points})
def test_evidence():
    from bench.grading_cell import earned
    assert earned("{grade_id}", {points}, "{folder}") == {points}
"""


class NotRun(Exception):
    """A command failed; the text says which, and how it ended."""


def nbgrader(python: str, command: str, course: Path, *more: str) -> Cost:
    """Run one of nbgrader's commands in a course directory with a configuration of its own. Raises NotRun."""
    path = os.pathsep.join([str(Path(python).parent), os.environ.get("PATH", os.defpath)])  # nbgrader starts `alembic` by name
    cost = measured([python, "-m", "nbgrader", command, ASSIGNMENT, *more], course, PATIENCE, {"PYTHONPATH": str(ROOT), "PATH": path})
    if cost.exit_code:
        raise NotRun(f"nbgrader {command} in {course.name}: exit code {cost.exit_code}\n{cost.said[-1500:]}")
    return cost


def with_plugins(python: str, course: Path) -> Cost:
    """`nbgrader autograde` with this course's plug-ins: one process, one student after another."""
    return nbgrader(python, "autograde", course)


def stock_best(python: str, course: Path, folder: Path, learners: Sequence[str]) -> Cost:
    """Grade these learners by stock nbgrader in its best case, in a new course directory `folder`.

    Every cell but the grade cells is tagged `skip-execution`, and a grade cell is two lines that call the check in the kernel.
    """
    _course(python, folder, [_grade_cells_only(notebook) for notebook in _notebooks(course / "source" / ASSIGNMENT)])
    for learner in learners:
        target = folder / "submitted" / learner / ASSIGNMENT
        shutil.copytree(course / "submitted" / learner / ASSIGNMENT, target, copy_function=os.link)
        for name, notebook in _notebooks(target):
            for cell in notebook["cells"]:
                if not _graded(cell):
                    cell["metadata"]["tags"] = ["skip-execution"]
            (target / name).unlink()  # it is a link that others share
            (target / name).write_text(json.dumps(notebook))
    return nbgrader(python, "autograde", folder)


def stock_as_it_comes(python: str, course: Path, folder: Path) -> Cost:
    """Grade one solved submission of the lessons that start no engine by stock nbgrader, which executes every cell.

    The learner's name is injected as papermill does it, and the cells make the evidence while they are graded.
    """
    names = {f"{name}.ipynb" for name in NO_VLLM}
    _course(python, folder, [one for one in _notebooks(course / "source" / ASSIGNMENT) if one[0] in names])
    target = folder / "submitted" / "reference" / ASSIGNMENT
    target.mkdir(parents=True)
    for name, notebook in _notebooks(course / "base"):
        if name in names:
            cells = notebook["cells"]
            at = next(number for number, cell in enumerate(cells) if "parameters" in cell["metadata"].get("tags", ()))
            cells.insert(at + 1, _code('LEARNER, LANE = "reference", "cpu"'))
            (target / name).write_text(json.dumps(notebook))
    return nbgrader(python, "autograde", folder)


def otter(python: str, course: Path, folder: Path, learner: str) -> list[Cost]:
    """Run `otter run` for each of a learner's notebooks, its cells taken out but for one with a comment: only the tests cost. Raises NotRun."""
    submission, costs = course / "submitted" / learner / ASSIGNMENT, []
    for notebook, exercises in load_catalogue().notebooks.items():
        place = folder / learner / notebook
        place.mkdir(parents=True)
        document = {"cells": [_code("# nothing of the learner's")], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        (place / f"{notebook}.ipynb").write_text(json.dumps(document))
        with zipfile.ZipFile(place / "autograder.zip", "w") as archive:
            archive.writestr("otter_config.json", json.dumps({"pdf": False}))
            for one in exercises:
                if not one.manual:
                    text = _TEST.format(grade_id=one.grade_id, points=one.points, folder=submission)
                    archive.writestr(f"tests/{one.grade_id.replace('-', '_')}.py", text)
        command: list[str | Path] = [python, "-m", "otter", "run", "--no-logo", "-a", place / "autograder.zip", place / f"{notebook}.ipynb"]
        costs.append(measured(command, place, PATIENCE, {"PYTHONPATH": str(ROOT)}))
        if costs[-1].exit_code or not (place / "results.json").is_file():
            raise NotRun(f"otter run {notebook}: exit code {costs[-1].exit_code}\n{costs[-1].said[-1500:]}")
    return costs


def otter_passed(folder: Path, learner: str) -> dict[str, bool]:
    """Return {grade id: whether otter gave full marks} out of the results that `otter` left."""
    found = [json.loads(path.read_text())["tests"] for path in sorted((folder / learner).glob("*/results.json"))]
    return {test["name"].split(" ")[0]: test["score"] == test["max_score"] for tests in found for test in tests if test.get("max_score")}


def _course(python: str, folder: Path, source: Sequence[tuple[str, dict[str, Any]]]) -> None:
    """Make a course directory of nbgrader without plug-ins."""
    (folder / "source" / ASSIGNMENT).mkdir(parents=True)
    for name, notebook in source:
        (folder / "source" / ASSIGNMENT / name).write_text(json.dumps(notebook))
    (folder / "nbgrader_config.py").write_text(_PLAIN.format(root=str(folder)))
    nbgrader(python, "generate_assignment", folder)


def _notebooks(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    known = load_catalogue().notebooks
    return [(path.name, json.loads(path.read_bytes())) for path in sorted(folder.glob("*.ipynb")) if path.stem in known]


def _graded(cell: dict[str, Any]) -> bool:
    return bool(marks_of(cell).get("grade") and not marks_of(cell).get("solution"))


def _grade_cells_only(one: tuple[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    for cell in one[1]["cells"]:
        if _graded(cell):
            cell["source"] = _GRADE.format(grade_id=marks_of(cell)["grade_id"], points=marks_of(cell)["points"])
    return one


def _code(source: str) -> dict[str, Any]:
    return {"cell_type": "code", "execution_count": None, "id": "injected", "metadata": {}, "outputs": [], "source": source}
