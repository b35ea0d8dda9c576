"""The nbgrader plug-ins. nbgrader_config.py puts them in; together they make autograding a function of files.

Sanitize phase: RebuildingExporter ignores what the learner's notebook says, but for the text of the solution cells.
Autograde phase: no kernel; GradeOutOfKernel asks the judge, SaveVerdicts stores. Feedback: ClearHiddenLines.
"""

import atexit
import json
from pathlib import Path
from typing import Any

from nbconvert.exporters import NotebookExporter
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader import utils
from nbgrader.preprocessors import ClearHiddenTests, NbGraderPreprocessor, SaveAutoGrades
from traitlets import Dict, List, Unicode

from grading.guard import TIMESTAMP, guard, timestamp_in
from grading.judge import Judge
from grading.limits import CheckLimits
from grading.rebuild import rebuild
from grading.registry import OUR_CHECKS
from grading.wording import as_text

_judges: dict[str, Judge] = {}
_NOT_JUDGED = "day2_not_judged"


class RebuildingExporter(NotebookExporter):  # type: ignore[misc]  # nbconvert ships no types
    """For c.Autograde.exporter_class: reads submissions our way, everything else as usual."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        guard(self.parent)

    def from_filename(self, filename: str, resources: Any = None, **options: Any) -> Any:
        """As nbconvert's; a file below submitted/ is rebuilt from the release, never parsed by nbformat."""
        marks, folders = resources["nbgrader"], self.parent.coursedir
        submitted = Path(folders.format_path(folders.submitted_directory, marks["student"], marks["assignment"]))
        marks["submitted"] = str(submitted)
        if Path(filename).parent != submitted:
            return super().from_filename(filename, resources=resources, **options)
        release = Path(folders.format_path(folders.release_directory, ".", marks["assignment"]))
        notebook, repairs = rebuild(release, submitted, marks["notebook"])
        for repair in repairs:
            self.log.warning("%s/%s: repaired: %s", marks["student"], marks["notebook"], repair)
        output, resources = self.from_notebook_node(notebook, resources=resources, **options)
        resources["outputs"] = self._files_beside(submitted, marks, repairs)
        return output, resources

    def _files_beside(self, submitted: Path, marks: dict[str, str], repairs: list[str]) -> dict[str, bytes]:
        """Return what lies beside the autograded notebook: the repairs, and the timestamp by which nbgrader knows a newer submission."""
        folders = self.parent.coursedir
        report = json.dumps({"notebook": marks["notebook"], "repaired": repairs}, indent=1).encode()
        files = {f"{marks['notebook']}.repairs.json": report, TIMESTAMP: timestamp_in(submitted)[0]}
        target = Path(folders.format_path(folders.autograded_directory, marks["student"], marks["assignment"]))
        for name in files:  # those of an earlier run are read-only
            (target / name).unlink(missing_ok=True)
        return {name: data for name, data in files.items() if data}


class GradeOutOfKernel(NbGraderPreprocessor):  # type: ignore[misc]
    """Replace the outputs of each grade cell by the judge's verdict. No kernel runs; the learner's code is never here."""

    checks = Unicode(OUR_CHECKS, help="the package that lists the checks").tag(config=True)
    path = List(Unicode(), help="folders to import that package from").tag(config=True)
    limits = Dict(help="CheckLimits, where they differ from the usual ones").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: Any) -> Any:
        """Judge all cells; grade ids that could not be judged go into the resources, for SaveVerdicts."""
        resources[_NOT_JUDGED] = set()
        return super().preprocess(nb, resources)

    def preprocess_cell(self, cell: NotebookNode, resources: Any, cell_index: int) -> Any:  # noqa: ARG002 - nbconvert's signature
        """Judge one cell; a code cell that is not graded has no output."""
        if cell.cell_type == "code":
            graded = utils.is_grade(cell) and not utils.is_solution(cell)
            cell.outputs = self._verdict(cell.metadata.nbgrader, resources) if graded else []
        return cell, resources

    def _verdict(self, marks: Any, resources: Any) -> list[NotebookNode]:
        points, whose = float(marks["points"]), resources["nbgrader"]
        verdict = self._judge().judge(Path(whose["submitted"]), whose["student"], marks["grade_id"], points)
        if verdict.state == "not judged":
            resources[_NOT_JUDGED].add(marks["grade_id"])
        # determine_grade: the first execute_result is the score; without one the cell would get full points
        score = new_output("execute_result", {"text/plain": repr(float(verdict.points))})
        return [new_output("stream", name="stdout", text=as_text(verdict, points)), score]

    def _judge(self) -> Judge:
        """Return the judge for these settings; nbgrader makes a new preprocessor per notebook, its server should live on."""
        key = json.dumps([self.checks, list(self.path), dict(self.limits)])
        if key not in _judges:
            _judges[key] = Judge(self.checks, list(self.path), CheckLimits(**self.limits))
            atexit.register(_judges[key].close)
        return _judges[key]


class SaveVerdicts(SaveAutoGrades):  # type: ignore[misc]
    """As SaveAutoGrades; what was not judged has no score and waits for a human, instead of a silent 0."""

    def _add_score(self, cell: NotebookNode, resources: Any) -> None:
        super()._add_score(cell, resources)
        grade_id = cell.metadata.nbgrader["grade_id"]
        if grade_id in resources[_NOT_JUDGED]:
            grade = self.gradebook.find_grade(grade_id, self.notebook_id, self.assignment_id, self.student_id)
            grade.auto_score, grade.needs_manual_grade = None, True
            self.gradebook.db.commit()


class ClearHiddenLines(ClearHiddenTests):  # type: ignore[misc]
    """As ClearHiddenTests, for feedback: grade cells only, so that a learner who writes the markers cannot stop their feedback."""

    display_data_priority = List(Unicode()).tag(config=True)  # HTMLExporter sets it; nbgrader's class would warn that it is unknown

    def preprocess_cell(self, cell: NotebookNode, resources: Any, cell_index: int) -> Any:
        """Remove the hidden lines of a grade cell of ours."""
        if utils.is_grade(cell) and not utils.is_solution(cell):
            return super().preprocess_cell(cell, resources, cell_index)
        return cell, resources
