"""The notebooks a learner gets, run from top to bottom before anything is solved, and graded on a machine with no torch."""

import functools
import json
import shutil
import subprocess
import sys

import papermill
import pytest

from grading.catalogue import load_catalogue
from labkit.checks.build import provider
from labkit.lane import detect_lane
from tests.lessons.conftest import ROOT
from tools.schedule import places, run_all

pytestmark = [pytest.mark.real, pytest.mark.timeout(1800)]  # all lessons unsolved: 407 s on two busy cores


def graded(folder, python=sys.executable):
    done = subprocess.run(
        [python, "-m", "grading", "check", str(folder), "--learner", "reference", "--json"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def the_overlay_was_under_the_engine(evidence):
    """Lesson 02 plans, configures, compiles and activates an overlay before anything is solved: the linker or the dispatcher says so."""
    record = json.loads((evidence / "build-active.json").read_text())
    who = {which: provider(record["facts"][which], record["lane"]) or "" for which in ("without", "with")}
    assert who["with"].startswith(("liboverlay_", "registration.cpp")), who
    assert who["without"].startswith(("_C", "torch_bindings.cpp")), who


def execute(folder, name):
    path, given = ROOT / "notebooks" / f"{name}.ipynb", {"LEARNER": "reference"}
    papermill.execute_notebook(path, folder / path.name, cwd=folder, parameters=given, progress_bar=False, execution_timeout=600)


def execute_all(folder):
    """Run the notebooks as `make course` does, side by side where that is possible."""
    names = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
    run_all(
        names, functools.partial(execute, folder), recorded=lambda record: (folder / "evidence" / f"{record}.json").is_file(),
        at_once=places(detect_lane("auto").name), begins=print, ended=lambda _: None, beat=print,
    )  # fmt: skip


def test_unsolved_notebooks_run_to_the_end_and_earn_nothing(tmp_path):
    execute_all(tmp_path)
    assert list((tmp_path / "evidence").glob("*.json")), "the demonstrations leave evidence"
    the_overlay_was_under_the_engine(tmp_path / "evidence")
    result = graded(tmp_path)
    assert {v["grade_id"]: v["points"] for v in result["verdicts"] if v["points"]} == {}
    for path in sorted(tmp_path.glob("*.ipynb")):
        outputs = [o for c in json.loads(path.read_text())["cells"] for o in c.get("outputs", [])]
        assert not [o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"], (
            f"{path.name}: errors or stderr in a cell"
        )


@pytest.fixture(scope="module")
def grader():
    """The grading machine's environment: the grader's lock and nothing else."""
    subprocess.run([sys.executable, "tools/setup.py", "--grader"], cwd=ROOT, check=True, timeout=600)
    return ROOT / ".venv-grader" / "bin" / "python"


def test_a_machine_without_torch_and_vllm_grades(grader, tmp_path):
    missing = "import importlib.util as u; print([n for n in ('torch', 'vllm', 'numpy', 'papermill') if u.find_spec(n)])"
    assert subprocess.run([grader, "-c", missing], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    folder = tmp_path / "submitted" / "reference" / "day2"
    shutil.copytree(ROOT / "recordings" / "cpu-reference", folder)
    for notebook in (ROOT / "source" / "day2").glob("*.ipynb"):
        shutil.copy(notebook, folder)
    result = graded(folder, grader)
    assert result["points"] == result["max_points"] > 0
    shutil.copytree(ROOT / "source", tmp_path / "source")
    for command in ("generate_assignment", "autograde"):
        line = [grader, "-m", "nbgrader", command, "day2", f"--CourseDirectory.root={tmp_path}"]
        done = subprocess.run(line, capture_output=True, text=True, cwd=ROOT, check=False, timeout=300)
        assert done.returncode == 0, done.stderr[-2000:]
    one_by_one = exported(grader, tmp_path)
    line = [grader, "-m", "grading", "class", "--course-dir", tmp_path, "--assignment", "day2", "--jobs", "2"]
    done = subprocess.run(line, capture_output=True, text=True, cwd=ROOT, check=False, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert json.loads((tmp_path / "day2.class.json").read_text())["graded"] == 1
    assert exported(grader, tmp_path) == one_by_one
    by_hand = sum(exercise.points for _, exercise in load_catalogue().exercises() if exercise.manual)  # they wait for a person
    assert float(one_by_one["score"]) == float(one_by_one["max_score"]) - by_hand == result["max_points"]


def exported(grader, course):
    """Return the row that `nbgrader export` writes for the one submission."""
    line = [grader, "-m", "nbgrader", "export", f"--CourseDirectory.root={course}", f"--to={course}/grades.csv"]
    export = subprocess.run(line, capture_output=True, text=True, cwd=ROOT, check=False)
    assert export.returncode == 0, export.stderr[-2000:]
    row = (course / "grades.csv").read_text().splitlines()
    return dict(zip(row[0].split(","), row[1].split(","), strict=True))
