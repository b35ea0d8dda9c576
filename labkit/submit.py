"""Make the folder that a learner hands in: an allow-list, so that nothing else of theirs travels."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from labkit.evidence import Evidence
from labkit.learner import BadLearnerName, learner_name
from labkit.messages import LearnerMessage, explain_os_error
from labkit.progress import course, survey
from labkit.settings import remembered

ASSIGNMENT = "day2"
UNDONE = {"not started": "not started", "begun": "begun, but the check is not content yet"}
NOT_WRITTEN = "YOUR ANSWER HERE"  # what nbgrader puts in place of a model answer
ALLOWED = ("*.ipynb", "evidence/*.json", "evidence/files/*")


@dataclass(frozen=True)
class Handed:
    """What was handed in: where it lies, how many files, and what is missing, in words."""

    folder: Path
    files: int
    size: int
    missing: tuple[str, ...]


def submit(notebooks: Path, submitted: Path, learner: str = "") -> Handed:
    """Copy the learner's notebooks and evidence to `submitted/<learner>/day2`, replacing an earlier copy.

    Raises LearnerMessage when there is nothing to hand in or the learner's name is not known.
    """
    if not notebooks.is_dir():
        raise LearnerMessage(f"There is no folder {notebooks}.", "Run `labkit submit` from the course folder.")
    name = learner or remembered(notebooks).get("learner", "")
    if not name:
        raise LearnerMessage("Your name is not known yet.", "Run the first code cell of 00_start_here, or add --learner NAME.")
    known = remembered(notebooks).get("learner", name)
    if name != known:
        raise LearnerMessage(
            f"These records were made as {known!r}, not as {name!r}.",
            "Set LEARNER in 00_start_here and run the lessons again, or submit as before.",
        )
    try:
        learner_name(name)
    except BadLearnerName as bad:
        raise LearnerMessage(str(bad), "labkit submit --learner NAME") from None
    wanted = [path for pattern in ALLOWED for path in sorted(notebooks.glob(pattern)) if _plain(path)]
    lessons = {lesson["name"] for lesson in course()["lessons"]}
    wanted = [path for path in wanted if path.suffix != ".ipynb" or path.stem in lessons]
    if not wanted:
        raise LearnerMessage(f"There is nothing to hand in under {notebooks}.", "Run `labkit submit` from the course folder.")
    try:
        return _copy(wanted, notebooks, submitted / name / ASSIGNMENT, name)
    except OSError as error:
        raise explain_os_error(error, "making the submission") from None


def _copy(wanted: list[Path], notebooks: Path, target: Path, learner: str) -> Handed:
    draft = target.with_name(f".{target.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    for path in wanted:
        copy = draft / path.relative_to(notebooks)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    shutil.rmtree(target, ignore_errors=True)
    draft.rename(target)
    return Handed(target, len(wanted), sum(path.stat().st_size for path in wanted), _missing(target, learner))


def _missing(target: Path, learner: str) -> tuple[str, ...]:
    absent = [
        f"{lesson['name']}.ipynb: the notebook" for lesson in course()["lessons"] if not (target / f"{lesson['name']}.ipynb").is_file()
    ]
    undone = [f"{s.grade_id}: {UNDONE[s.state]}" for s in survey(Evidence(target / "evidence", learner)) if s.open]
    return (*absent, *undone, *_unwritten(target))


def _unwritten(target: Path) -> list[str]:
    """The texts that a person grades and that hold nothing but what the lesson came with."""
    by_hand = [(lesson["name"], e["grade_id"]) for lesson in course()["lessons"] for e in lesson["exercises"] if e.get("manual")]
    return [
        f"{name}: nothing is written yet. Is the notebook saved?" for lesson, name in by_hand if NOT_WRITTEN in _text(target, lesson, name)
    ]


def _text(target: Path, lesson: str, grade_id: str) -> str:
    """The text of a cell in a notebook; "" when the notebook cannot be read or has no such cell."""
    try:
        cells = json.loads((target / f"{lesson}.ipynb").read_text())["cells"]
        return next(("".join(cell["source"]) for cell in cells if cell["metadata"].get("nbgrader", {}).get("grade_id") == grade_id), "")
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return ""


def _plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and not path.name.startswith(".")
