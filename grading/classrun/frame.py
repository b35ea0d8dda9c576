"""What is the same for every submission of a run: the notebooks as nbgrader sanitises them, before a learner's cells are put in.

nbgrader's own sanitising steps run once per notebook, on the released one. They treat a learner's cell as its source alone, and only
that source is put in later, so the outcome is what they would have made of each submission (tests/grading/test_same_as_nbgrader.py compares the bytes).
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters import NotebookExporter
from nbgrader.converters import Autograde
from nbgrader.coursedir import CourseDirectory
from nbgrader.utils import find_all_files
from traitlets.config import Config, PyFileConfigLoader

from grading.rebuild import NoRelease
from labkit.records import Strict


class Frame(Strict):
    """The released notebooks and their sanitised forms (JSON texts by name)."""

    assignment: str
    released: dict[str, str]
    sanitised: dict[str, str]

    def digest(self) -> str:
        """Return the SHA-256 of the whole frame: another release or another hidden line is another frame."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


def frame_of(course: CourseDirectory, config: Config, assignment: str, notebooks: list[str]) -> Frame:
    """Sanitise the released notebooks. Raises NoRelease when one is not there."""
    release = Path(course.format_path(course.release_directory, ".", assignment))
    released = {name: _released(release / f"{name}.ipynb") for name in notebooks}
    converter = Autograde(coursedir=course, config=config)
    sanitised = {name: _sanitised(converter, text, assignment, name) for name, text in released.items()}
    return Frame(assignment=assignment, released=released, sanitised=sanitised)


def _released(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        raise NoRelease(f"{path}: not there. Expected the released notebook. Run `nbgrader generate_assignment` first.") from None


def _sanitised(converter: Autograde, text: str, assignment: str, name: str) -> str:
    exporter = NotebookExporter(config=converter.config)
    exporter._preprocessors = []  # as nbgrader's converter does between its two phases
    for step in converter.sanitize_preprocessors:
        exporter.register_preprocessor(step)
    marks = {"student": "", "assignment": assignment, "notebook": name, "db_url": converter.coursedir.db_url}
    resources: dict[str, Any] = {"unique_key": name, "nbgrader": marks}
    output, _ = exporter.from_notebook_node(nbformat.reads(text, as_version=4), resources=resources)
    return json.dumps(json.loads(output))


def beside_of(course: CourseDirectory, assignment: str) -> dict[str, bytes]:
    """Return what nbgrader lays beside each autograded notebook: the files of source/ that are no notebooks."""
    source = course.format_path(course.source_directory, ".", assignment)
    found = find_all_files(source, [*course.ignore, "*.ipynb"]) if Path(source).is_dir() else []
    return {str(Path(one).relative_to(source)): Path(one).read_bytes() for one in sorted(found)}


def judged_ids(frame: Frame) -> list[str]:
    """Return the grade ids that a check judges."""
    cells = [cell for text in frame.sanitised.values() for cell in json.loads(text)["cells"]]
    marks = [cell["metadata"].get("nbgrader", {}) for cell in cells if cell["cell_type"] == "code"]
    return [one["grade_id"] for one in marks if one.get("grade") and not one.get("solution")]


def config_of(course: Path) -> Config:
    """Return nbgrader's configuration as its own commands see it from the course folder."""
    config = Config()
    if (course / "nbgrader_config.py").is_file():
        config = PyFileConfigLoader("nbgrader_config.py", path=str(course)).load_config()
    if "root" not in config.CourseDirectory:
        config.CourseDirectory.root = str(course.resolve())
    return config
