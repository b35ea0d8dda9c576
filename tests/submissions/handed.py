"""What an attack works with: a submission folder, and where it stands in the course. All of it plain files."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from grading.likeness.known import unpacked

REPOSITORY = Path(__file__).resolve().parents[2]
RECORDED = REPOSITORY / "recordings" / "cpu-reference" / "evidence"
ANSWERS = REPOSITORY / "source" / "day2"
FUNCTIONS = {  # the learner's functions that are called: grade id -> (notebook, cell, name and arguments)
    "environment-compile_jobs": ("01_environment", "answer-environment-compile_jobs", "compile_jobs(max_jobs, nvcc_threads, cores, ram_gib, gib_per_job)"),
    "build-what_gdb_can_show": ("02_source_build", "answer-build-what_gdb_can_show", "what_gdb_can_show(sections)"),
    "profile-launched_by": ("05_nsight_systems", "answer-profile-launched_by", "launched_by(span, calls, kernels)"),
    "exercises-kv_bytes": ("06_exercises", "answer-exercises-kv_bytes", "kv_bytes_per_token(config, bytes_per_value)"),
}  # fmt: skip


@dataclass(frozen=True)
class Context:
    """Where the attacker stands.

    `neighbour` is an honest learner's submission; nothing may change in it, nor under `outside`, which is not in the course, nor in the
    home folder. `mark` begins the name of every file that an attack tries to leave somewhere; whoever connects to `port` on this
    machine has reached the network.
    """

    root: Path
    learner: str
    neighbour: Path
    outside: Path
    port: int
    mark: str


def recorded(name: str) -> bytes:
    """Return a file of the reference's evidence as the lesson left it."""
    return _unpacked(RECORDED / name)


@cache
def _unpacked(path: Path) -> bytes:
    packed = path.with_name(f"{path.name}.xz")
    return unpacked(packed if packed.exists() else path)


def record(submission: Path, record_id: str) -> dict[str, Any]:
    """Return a record."""
    found: dict[str, Any] = json.loads((submission / "evidence" / f"{record_id}.json").read_bytes())
    return found


def put(submission: Path, record_id: str, content: dict[str, Any] | bytes | str) -> None:
    """Write a record, or the bytes that stand where one should be."""
    raw = json.dumps(content, indent=1) if isinstance(content, dict) else content
    path = submission / "evidence" / f"{record_id}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(raw.encode() if isinstance(raw, str) else raw)


def edit(submission: Path, record_id: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a record, and let every answer that was about it be about it still."""
    before = record(submission, record_id)
    was = _digest(submission, record_id)
    change(before)
    put(submission, record_id, before)
    now = _digest(submission, record_id)
    for path in (submission / "evidence").glob("*.json"):
        raw = path.read_bytes()
        if was.encode() in raw:
            path.write_bytes(raw.replace(was.encode(), now.encode()))


def facts(submission: Path, record_id: str, **changes: Any) -> None:
    """Replace facts of a record."""
    edit(submission, record_id, lambda found: found["facts"].update(changes))


def _digest(submission: Path, record_id: str) -> str:
    return hashlib.sha256((submission / "evidence" / f"{record_id}.json").read_bytes()).hexdigest()


def kept(submission: Path, record_id: str, number: int = 0) -> bytes:
    """Return the bytes of a file that a record keeps."""
    return (submission / "evidence" / record(submission, record_id)["files"][number]["path"]).read_bytes()


def keep(submission: Path, record_id: str, data: bytes, number: int = 0) -> None:
    """Put other bytes in the place of a file that a record keeps; the record says their size and digest."""

    def change(found: dict[str, Any]) -> None:
        found["files"][number].update(sha256=hashlib.sha256(data).hexdigest(), size=len(data))
        (submission / "evidence" / found["files"][number]["path"]).write_bytes(data)

    edit(submission, record_id, change)


def notebook(submission: Path, name: str) -> dict[str, Any]:
    """Return a notebook as it is handed in."""
    found: dict[str, Any] = json.loads((submission / f"{name}.ipynb").read_bytes())
    return found


def change_notebooks(submission: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change every notebook."""
    for path in sorted(submission.glob("*.ipynb")):
        document = json.loads(path.read_bytes())
        change(document)
        path.write_text(json.dumps(document))


def marks(cell: dict[str, Any]) -> dict[str, Any]:
    """Return nbgrader's metadata of a cell."""
    found: dict[str, Any] = cell["metadata"].get("nbgrader", {})
    return found


def solve(submission: Path, name: str, grade_id: str, source: str) -> None:
    """Write into a solution cell."""
    document = notebook(submission, name)
    next(cell for cell in document["cells"] if marks(cell).get("grade_id") == grade_id)["source"] = source
    (submission / f"{name}.ipynb").write_text(json.dumps(document))


def functions(submission: Path, body: str, before: str = "", only: str = "") -> None:
    """Put one body into the learner's functions; `RIGHT` in it calls the right one with the same arguments."""
    for grade_id, (name, cell, signature) in FUNCTIONS.items():
        if only in ("", grade_id):
            right = _right(name, cell)
            called = f"_right({signature.partition('(')[2]}"
            lines = body.replace("RIGHT", called).strip("\n").replace("\n", "\n    ")
            stem = signature.partition("(")[0]
            solve(submission, name, cell, f"{right}\n_right = {stem}\n{before}\ndef {signature}:\n    {lines}\n")


@cache
def _right(name: str, grade_id: str) -> str:
    cells = json.loads((ANSWERS / f"{name}.ipynb").read_bytes())["cells"]
    return "".join(next(cell for cell in cells if marks(cell).get("grade_id") == grade_id)["source"])
