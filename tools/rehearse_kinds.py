"""The variations of a full submission that a rehearsed class is made of. KINDS is the table: name, share, what a learner did.

A variation gets the files of one submission (Handed), all of them hard links to shared ones: `write` and `remove` put something else in a
file's place, and nothing ever writes through a link. Chance comes from the seed and the learner's name only.
"""

import ast
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grading.catalogue import load_catalogue
from labkit.progress import course


@dataclass(frozen=True)
class Handed:
    """One submission that is being made: its folder, the released notebooks, and this learner's own chance."""

    folder: Path
    release: Path
    chance: random.Random

    def write(self, name: str, data: bytes) -> None:
        """Put a new file in the place of whatever is there; a file that others share is left as it is."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(data)

    def remove(self, name: str) -> None:
        """Take a file away from this submission only."""
        (self.folder / name).unlink()

    def notebooks(self) -> list[str]:
        """Return the names of the notebook files, sorted."""
        return sorted(path.name for path in self.folder.glob("*.ipynb"))

    def notebook(self, name: str) -> dict[str, Any]:
        """Return a notebook as it stands."""
        found: dict[str, Any] = json.loads((self.folder / name).read_bytes())
        return found

    def save(self, name: str, notebook: dict[str, Any]) -> None:
        """Put a changed notebook in the place of the one that is there."""
        self.write(name, json.dumps(notebook, indent=1).encode())

    def as_released(self, name: str) -> None:
        """Hand a notebook in as it was released."""
        self.write(name, (self.release / name).read_bytes())

    def records(self, pattern: str = "*.json") -> list[str]:
        """Return the evidence records, as names below the submission, sorted."""
        return sorted(str(path.relative_to(self.folder)) for path in (self.folder / "evidence").glob(pattern))

    def some_record(self, pattern: str = "*.json") -> str:
        """Return one of the records."""
        return self.chance.choice(self.records(pattern))


def full(handed: Handed) -> None:
    """Everything done."""


def half_done(handed: Handed) -> None:
    """Three or four lessons done; the others as released, without their records."""
    names = handed.notebooks()
    for name in names[handed.chance.choice((3, 4)) :]:
        handed.as_released(name)
        _forget(handed, name.removesuffix(".ipynb"))


def _forget(handed: Handed, lesson: str) -> None:
    prefixes = {exercise.grade_id.split("-")[0] + "-" for exercise in load_catalogue().notebooks[lesson]}
    asked = {f"quiz-{question}" for one in course()["lessons"] if one["name"] == lesson for question in one["questions"]}
    for record in handed.records():
        stem = Path(record).stem
        if stem in asked or any(stem.startswith(prefix) for prefix in prefixes):
            handed.remove(record)
            for produced in handed.records(f"files/{stem}.*"):
                handed.remove(produced)


def missing_record(handed: Handed) -> None:
    """One record is not there: a cell was never run."""
    handed.remove(handed.some_record())


def wrong_answer(handed: Handed) -> None:
    """One recorded answer is another one."""
    name = handed.some_record("*-answer.json")
    record = json.loads((handed.folder / name).read_bytes())
    record["facts"] = {key: _other(value) for key, value in record["facts"].items()}
    handed.write(name, json.dumps(record, indent=1).encode())


def _other(value: Any) -> Any:
    """Something of the same type that is not the same."""
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int | float):
        return value + 7
    if isinstance(value, dict):
        return {key: _other(inner) for key, inner in value.items()}
    return value[1:] if isinstance(value, list) else f"not {value}"


def wrong_function(handed: Handed) -> None:
    """A function that returns something else."""

    class Returns(ast.NodeTransformer):
        def visit_Return(self, node: ast.Return) -> ast.Return:
            return ast.Return(value=ast.Constant(0), lineno=node.lineno)

    _edit_function(handed, lambda source: ast.unparse(Returns().visit(ast.parse(source))))


def syntax_error(handed: Handed) -> None:
    """A function with its last line cut off in the middle, and a bracket open."""
    _edit_function(handed, lambda source: source.rstrip() + "\n    return (\n")


def _edit_function(handed: Handed, edit: Callable[[str], str]) -> None:
    places = [(name, cell["id"]) for name in handed.notebooks() for cell in handed.notebook(name)["cells"] if _defines(cell)]
    name, cell_id = handed.chance.choice(places)
    notebook = handed.notebook(name)
    for cell in notebook["cells"]:
        if cell["id"] == cell_id:
            cell["source"] = edit(text_of(cell))
    handed.save(name, notebook)


def _defines(cell: dict[str, Any]) -> bool:
    """Whether a solution cell begins with a function, so that its text is what is judged."""
    return bool(marks_of(cell).get("solution")) and text_of(cell).startswith("def ")


def marks_of(cell: dict[str, Any]) -> dict[str, Any]:
    """Return nbgrader's marks of a cell of ours."""
    found: dict[str, Any] = cell["metadata"].get("nbgrader", {})
    return found


def text_of(cell: dict[str, Any]) -> str:
    """Return a cell's source; nbformat writes it as lines."""
    return "".join(cell["source"])


def missing_notebook(handed: Handed) -> None:
    """One notebook was not handed in; its evidence was."""
    handed.remove(handed.chance.choice(handed.notebooks()))


def empty(handed: Handed) -> None:
    """Nothing done: the notebooks as released, no evidence."""
    for name in handed.notebooks():
        handed.as_released(name)
    for record in [*handed.records("files/*"), *handed.records()]:
        handed.remove(record)


def not_a_notebook(handed: Handed) -> None:
    """A notebook file of zero bytes, as a full disk leaves it, or one cut off in the middle."""
    name = handed.chance.choice(handed.notebooks())
    data = (handed.folder / name).read_bytes()
    handed.write(name, handed.chance.choice((b"", data[: len(data) // 2])))
