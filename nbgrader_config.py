"""nbgrader's settings, a reason beside each. Stock commands work from this folder; docs/grading.md tells the whole story."""

import os
import sys
from pathlib import Path

c = get_config()  # noqa: F821 - nbgrader provides it
root = str(Path(__file__).resolve().parent)
sys.path[:0] = [] if root in sys.path else [root]  # the plug-ins load from this checkout, installed or not
# nbgrader starts `alembic` by name for a new gradebook; in an environment that is not activated PATH would not have it
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])

c.CourseDirectory.course_id = "vllm-day2"  # names the course in the exchange and the gradebook
c.CourseDirectory.root = root  # else the working directory would decide where the gradebook is
c.CourseDirectory.ignore.extend(["*.repairs.json", "work"])  # the normaliser's report is for instructors; work/ is built files, gigabytes

# A stub that raises would stop papermill and "Run all" on a notebook that is not solved yet.
c.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE"}

# Stock sanitizing parses the learner's notebook and stops on a hostile one. This exporter rebuilds it from the release.
c.Autograde.exporter_class = "grading.plugins.RebuildingExporter"
c.Autograde.autograde_preprocessors = [
    # no Execute: notebooks are never run for grading; no IgnorePattern, ClearMetadata, LimitOutput: there is no output of theirs
    "grading.plugins.GradeOutOfKernel",  # each grade cell's output becomes the judge's verdict
    "grading.plugins.SaveVerdicts",  # a fault of the grader becomes "needs manual grade", not 0 and not full points
    "nbgrader.preprocessors.AssignLatePenalties",  # as stock
    "nbgrader.preprocessors.CheckCellMetadata",  # as stock
]

c.GenerateFeedback.preprocessors = [
    "nbgrader.preprocessors.GetGrades",  # as stock
    "grading.plugins.ClearHiddenLines",  # autograded notebooks hold the hidden lines; learners should not get them back
    "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",  # as stock
]
c.HTMLExporter.sanitize_html = True  # a learner's text is shown in the instructor's browser
c.HTMLExporter.filters = {
    "markdown2html": "grading.learner_markdown.markdown"
}  # ... which sanitize_html does not cover in nbgrader's pages
c.ExportApp.plugin_class = "grading.safe_csv.SafeCsvExport"  # a folder's name becomes a cell of a spreadsheet: no formulas, commas quoted
