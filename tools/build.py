"""Build the notebooks: lessons/*.md -> source/day2 -> (nbgrader) release/day2 -> notebooks/.

`python -m tools.build` writes them; `--check` builds into a temporary folder and names every file that differs.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from traitlets.config import Config

from labkit.recorder import sha256_of
from tools.lesson import BadLesson, Lesson, lessons
from tools.lint import lint
from tools.quiz import bank, key, read_quiz

ASSIGNMENT = "day2"
PUBLISHED = "build/published.json"  # not in git
ROOT = Path(__file__).resolve().parent.parent
BANK, KEY = "labkit/quiz/bank.json", "grading/quiz_key.json"
FILES = ("labkit/course.json", BANK, "grading/catalogue.json", KEY)
CHECKED = ("source/day2", "notebooks", *FILES)  # in git; release/ is not
STUB = "\n# YOUR CODE HERE"  # nbgrader's, in place of a solution


def build(target: Path, source: Path = ROOT / "lessons") -> list[str]:
    """Build everything under `target` from the lessons in `source`, and return the paths written, relative to it.

    Raises BadLesson when a lesson breaks a rule, or a notebook in `target` has been worked in.
    """
    refuse_to_lose_work(target)
    course = lessons(source)
    quiz = read_quiz(source / "quiz.yaml")
    asked = bank(quiz, [(question.id, lesson.name, question.heading) for lesson in course for question in lesson.questions])
    problems = [message for lesson in course for message in lint(lesson)]
    if problems:
        raise BadLesson("\n".join(problems))
    shutil.rmtree(target / "source" / ASSIGNMENT, ignore_errors=True)
    for lesson in course:
        _write_notebook(target / "source" / ASSIGNMENT / f"{lesson.name}.ipynb", lesson.notebook)
    _release(target)
    written = [_publish(target, lesson) for lesson in course]
    _write_json(target / PUBLISHED, {path.name: sha256_of(path) for path in sorted((target / "notebooks").glob("*.ipynb"))})
    _write_json(target / "labkit/course.json", {"lessons": [_describe(lesson) for lesson in course]})
    _write_json(target / "grading/catalogue.json", {"assignment": ASSIGNMENT, "notebooks": {le.name: _points(le) for le in course}})
    _write_json(target / BANK, asked)
    _write_json(target / KEY, key(quiz))
    return [*written, *(f"source/{ASSIGNMENT}/{lesson.name}.ipynb" for lesson in course), *FILES]


def refuse_to_lose_work(target: Path) -> None:
    """Raise BadLesson when a notebook is neither what was built last nor what git has: somebody works in it."""
    worked_in = [path.name for path in sorted((target / "notebooks").glob("*.ipynb")) if not _ours(target, path)]
    if worked_in:
        raise BadLesson(
            f"{', '.join(worked_in)} in notebooks/ was changed since it was built, so somebody works in it; nothing was built.\n"
            "→ Move it out of notebooks/, then run this again. (make lab and make course never build over it.)"
        )


def _ours(target: Path, path: Path) -> bool:
    """Whether a notebook is exactly what this tool wrote last, or what is committed."""
    if _published(target).get(path.name) == sha256_of(path):
        return True
    committed = subprocess.run(["git", "show", f"HEAD:notebooks/{path.name}"], cwd=target, capture_output=True, check=False)
    return committed.returncode == 0 and committed.stdout == path.read_bytes()


def _published(target: Path) -> dict[str, str]:
    """What was built last: {notebook: SHA-256}."""
    try:
        found: dict[str, str] = json.loads((target / PUBLISHED).read_text())
    except (OSError, ValueError):
        return {}
    return found


def _release(target: Path) -> None:
    """Let nbgrader strip solutions and hidden lines, with the course's own configuration and a gradebook that is thrown away."""
    from nbgrader.apps import NbGraderAPI
    from traitlets.config import PyFileConfigLoader

    shutil.rmtree(target / "release" / ASSIGNMENT, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        config: Config = PyFileConfigLoader("nbgrader_config.py", path=str(ROOT)).load_config()
        config.CourseDirectory.root = str(target)
        config.CourseDirectory.db_url = f"sqlite:///{scratch}/gradebook.db"
        config.Application.log_level = "ERROR"
        done = NbGraderAPI(config=config).generate_assignment(ASSIGNMENT, force=True)
    if not done["success"]:
        raise BadLesson(f"nbgrader generate_assignment refused:\n{done.get('log', '')[-2000:]}\n{done.get('error', '')[-2000:]}")


def _publish(target: Path, lesson: Lesson) -> str:
    released = nbformat.read(target / "release" / ASSIGNMENT / f"{lesson.name}.ipynb", as_version=4)
    for cell in released.cells:
        marks = cell.metadata.get("nbgrader", {})
        if marks.get("grade") and not marks.get("solution"):
            cell.source = cell.source.rstrip("\n")
        if marks.get("grade_id", "").startswith("answer-quiz-"):  # a question has controls: there is no code to write
            cell.source = cell.source.removesuffix(STUB)
    _write_notebook(target / "notebooks" / f"{lesson.name}.ipynb", released)
    return f"notebooks/{lesson.name}.ipynb"


def _describe(lesson: Lesson) -> dict[str, object]:
    exercises = [{"grade_id": e.grade_id, "title": e.title} | points for points, e in zip(_points(lesson), lesson.exercises, strict=True)]
    return {
        "name": lesson.name, "title": lesson.title, "objective": _objective(lesson),
        "minutes": lesson.minutes, "gigabytes": lesson.gigabytes, "exercises": exercises,
        "questions": [question.id for question in lesson.questions],
    }  # fmt: skip


def _objective(lesson: Lesson) -> str:
    """What a lesson promises, "After this lesson you can ..." without these words; "" where it promises nothing."""
    intro = lesson.notebook.cells[0].source
    found = re.search(r"\*\*After this lesson you can\*\*(.+?)(?:\n\n|$)", intro, re.DOTALL)
    return " ".join(found[1].replace("`", "").split()).rstrip(".") if found else ""


def _points(lesson: Lesson) -> list[dict[str, object]]:
    """What is graded: `manual` is there, and true, where a person grades and no check does."""
    return [{"grade_id": e.grade_id, "points": e.points} | ({"manual": True} if e.graded == "hand" else {}) for e in lesson.exercises]


def _write_notebook(path: Path, notebook: nbformat.NotebookNode) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(nbformat.writes(notebook) + "\n")


def _write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1) + "\n")


def drift() -> list[str]:
    """Return one line for each committed file that is not what the lessons build."""
    with tempfile.TemporaryDirectory() as scratch:
        built = {name: (Path(scratch) / name).read_bytes() for name in build(Path(scratch))}
    stale = [name for name, content in built.items() if not (ROOT / name).is_file() or (ROOT / name).read_bytes() != content]
    kept = [str(path.relative_to(ROOT)) for folder in CHECKED[:2] for path in sorted((ROOT / folder).glob("*.ipynb"))]
    return [f"{name} is not what lessons/ builds. Run: make notebooks" for name in stale] + [
        f"{name} has no lesson. Delete it, or write lessons/{Path(name).stem}.md" for name in kept if name not in built
    ]


def main() -> int:
    """Build or check; print what happened."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 and name what differs")
    try:
        messages = drift() if parser.parse_args().check else [f"built {name}" for name in build(ROOT)]
    except BadLesson as bad:
        print(bad, file=sys.stderr)
        return 1
    print("\n".join(messages) or "notebooks are what the lessons build")
    return int(any("Run: make" in m or "has no lesson" in m for m in messages))


if __name__ == "__main__":
    raise SystemExit(main())
