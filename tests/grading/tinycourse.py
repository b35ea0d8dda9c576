"""A tiny course for the tests: one notebook, three exercises, and learners who hand in what a test wants."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from traitlets.config import Config, PyFileConfigLoader

from labkit.learner import pick, token_of
from labkit.records import Machine, ProducedFile, Record

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
ASSIGNMENT, NOTEBOOK = "tiny", "01_demo"
POINTS = {"demo-number": 2.0, "demo-double": 3.0, "demo-fault": 1.0}
FULL = sum(POINTS.values())
RIGHT = "def double(x):\n    return 2 * x"
CATALOGUE = {"assignment": ASSIGNMENT, "notebooks": {NOTEBOOK: [{"grade_id": g, "points": p} for g, p in POINTS.items()]}}
SHORT_LIMITS = {"wall_seconds": 3.0, "cpu_seconds": 2}


def marks(grade_id: str, **more: Any) -> dict[str, Any]:
    return {
        "nbgrader": {"schema_version": 3, "grade_id": grade_id, "grade": False, "solution": False, "task": False, "locked": False} | more
    }


def source_notebook() -> Any:
    """The instructor's version, as tools/build.py makes them."""
    cells = [new_markdown_cell("# A tiny lesson", id="title")]
    for number, (grade_id, points) in enumerate(POINTS.items()):
        answer = (
            f"### BEGIN SOLUTION\n{RIGHT}\n### END SOLUTION" if grade_id == "demo-double" else "### BEGIN SOLUTION\nx = 1\n### END SOLUTION"
        )
        cells.append(new_code_cell(answer, id=f"a{number}", metadata=marks(f"answer-{grade_id}", solution=True)))
        hidden = (
            f'# {grade_id}\n### BEGIN HIDDEN TESTS\nfrom grading.award import award\naward("{grade_id}", {points})\n### END HIDDEN TESTS'
        )
        cells.append(new_code_cell(hidden, id=f"g{number}", metadata=marks(grade_id, grade=True, locked=True, points=points)))
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return new_notebook(cells=cells, metadata=kernel)


def write_source(root: Path) -> None:
    folder = root / "source" / ASSIGNMENT
    folder.mkdir(parents=True)
    nbformat.write(source_notebook(), folder / f"{NOTEBOOK}.ipynb")


def own_checks(folder: Path, package: str) -> tuple[Path, tuple[str, ...]]:
    """Make a package of this course's checks that a test may edit; return its module, and the options of `grading class` that name it."""
    own = folder / "own" / package
    own.mkdir(parents=True)
    (own / "__init__.py").touch()
    return Path(shutil.copy(HERE / "course_checks" / "demo.py", own)), ("--checks", package, "--path", str(own.parent))


def config_for(root: Path) -> Config:
    """The repository's own nbgrader_config.py, for a course elsewhere and with the tiny course's checks."""
    config = PyFileConfigLoader("nbgrader_config.py", path=str(REPOSITORY)).load_config()
    config.CourseDirectory.root = str(root)
    config.GradeOutOfKernel.checks = "course_checks"
    config.GradeOutOfKernel.path = [str(HERE)]
    config.GradeOutOfKernel.limits = SHORT_LIMITS
    return config


class Learner:
    """One learner's submission folder, and the tools to fill it well or badly."""

    def __init__(self, root: Path, name: str) -> None:
        self.name, self.root = name, root
        self.folder = root / "submitted" / name / ASSIGNMENT
        self.evidence = self.folder / "evidence"
        self.path = self.folder / f"{NOTEBOOK}.ipynb"

    def empty(self) -> "Learner":
        """Hand in the released notebook, untouched."""
        self.folder.mkdir(parents=True)
        shutil.copy(self.root / "release" / ASSIGNMENT / self.path.name, self.path)
        return self

    def good(self) -> "Learner":
        """Hand in right answers and honest evidence."""
        self.empty().answer("answer-demo-double", RIGHT)
        self.record("demo-number", number=pick(token_of(self.name), "number", 1000))
        return self.record("demo-fault", mode="fine")

    def wrong(self) -> "Learner":
        """Hand in honest wrong answers, worth 0 points."""
        self.empty().answer("answer-demo-double", "def double(x):\n    return x")
        self.record("demo-number", number=-1)
        return self.record("demo-fault", mode="wrong")

    def record(self, record_id: str, files: tuple[tuple[str, bytes], ...] = (), **facts: Any) -> "Learner":
        """Write an honest record of this learner."""
        produced = [ProducedFile(path=name, sha256=hashlib.sha256(data).hexdigest(), size=len(data)) for name, data in files]
        machine = Machine(cpu="test", cores=1, ram_gib=1.0)
        token = token_of(self.name)
        record = Record(id=record_id, lane="cpu", learner=self.name, token=token, versions={}, machine=machine, files=produced, facts=facts)
        return self.put(f"{record_id}.json", record.model_dump_json().encode())

    def put(self, name: str, data: bytes) -> "Learner":
        """Write a file into evidence/."""
        self.evidence.mkdir(exist_ok=True)
        (self.evidence / name).write_bytes(data)
        return self

    def notebook(self) -> dict[str, Any]:
        """Return the notebook as it was handed in."""
        return json.loads(self.path.read_text())

    def save(self, notebook: dict[str, Any]) -> "Learner":
        """Hand in this notebook."""
        self.path.write_text(json.dumps(notebook))
        return self

    def answer(self, grade_id: str, source: str) -> "Learner":
        """Write into a solution cell."""
        notebook = self.notebook()
        cell_of(notebook, grade_id)["source"] = source
        return self.save(notebook)


def cell_of(notebook: dict[str, Any], grade_id: str) -> dict[str, Any]:
    return next(cell for cell in notebook["cells"] if cell["metadata"].get("nbgrader", {}).get("grade_id") == grade_id)
