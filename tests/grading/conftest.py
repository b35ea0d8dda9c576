"""Fixtures for the grader's tests. The course is generated once; each test works on its own copy."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grading.judge import Judge
from grading.limits import CheckLimits

sys.path.insert(0, str(Path(__file__).parent))  # tinycourse and course_checks

import tinycourse


class Course:
    """A course directory, nbgrader over it, and what came of it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def learner(self, name: str) -> tinycourse.Learner:
        """Return a learner of this course, with nothing handed in yet."""
        return tinycourse.Learner(self.root, name)

    def api(self) -> Any:
        """Return nbgrader's API over this course."""
        from nbgrader.apps import NbGraderAPI
        from nbgrader.coursedir import CourseDirectory

        config = tinycourse.config_for(self.root)
        return NbGraderAPI(CourseDirectory(config=config), config=config)

    def autograde(self, who: str = "*", force: bool = True) -> None:
        """Run `nbgrader autograde`; no submission may make it fail."""
        result = self.api().autograde(tinycourse.ASSIGNMENT, who, force=force)
        assert result["success"], result.get("log", "") + result.get("error", "")

    def feedback(self, who: str) -> bytes:
        """Run `nbgrader generate_feedback` and return the page."""
        result = self.api().generate_feedback(tinycourse.ASSIGNMENT, who)
        assert result["success"], result.get("log", "") + result.get("error", "")
        return (self.root / "feedback" / who / tinycourse.ASSIGNMENT / f"{tinycourse.NOTEBOOK}.html").read_bytes()

    def autograded(self, who: str) -> Path:
        """Return the folder that autograding wrote."""
        return self.root / "autograded" / who / tinycourse.ASSIGNMENT

    def gradebook(self) -> Any:
        """Return nbgrader's gradebook, a context manager."""
        from nbgrader.api import Gradebook

        return Gradebook(f"sqlite:///{self.root / 'gradebook.db'}", "vllm-day2")

    def grades(self, who: str) -> dict[str, tuple[float | None, bool]]:
        """Return {grade id: (auto score, needs manual grade)}."""
        with self.gradebook() as gradebook:
            notebook = gradebook.find_submission_notebook(tinycourse.NOTEBOOK, tinycourse.ASSIGNMENT, who)
            return {grade.name: (grade.auto_score, grade.needs_manual_grade) for grade in notebook.grades}

    def score(self, who: str) -> float:
        """Return the sum of the automatic scores."""
        return sum(score or 0.0 for score, _ in self.grades(who).values())


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course after `nbgrader generate_assignment`."""
    root = tmp_path_factory.mktemp("generated")
    tinycourse.write_source(root)
    result = Course(root).api().generate_assignment(tinycourse.ASSIGNMENT)
    assert result["success"], result
    return root


@pytest.fixture
def course(generated: Path, tmp_path: Path) -> Course:
    root = tmp_path / "course"
    shutil.copytree(generated, root)
    return Course(root)


@pytest.fixture(scope="session")
def judge() -> Iterator[Judge]:
    with Judge("course_checks", [str(tinycourse.HERE)], CheckLimits(**tinycourse.SHORT_LIMITS)) as running:
        yield running


@pytest.fixture
def root(course: Course) -> Path:
    """A course in which six learners have everything right, and one nothing."""
    for name in ("ann", "bea", "cem", "dan", "eva", "fay"):
        course.learner(name).good()
    course.learner("wim").wrong()
    return course.root
