"""One class of honest learners and attackers on the real course: build it, take stock of the host, grade it once, and read what came of it."""

import ctypes
import hashlib
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import handed
from handed import ANSWERS, RECORDED, REPOSITORY, Context
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import create_engine

from grading.catalogue import load_catalogue
from grading.likeness import Alike, alike_path, load_alike
from grading.report.book import Grade, entries
from grading.report.told import told_in

HERE = Path(__file__).resolve().parent
ASSIGNMENT = "day2"
HONEST = ("ref-aaa", "reference", "ref-mmm", "ref-zzz")  # before, between and after the attackers in sorted order
MACHINE = {e.grade_id: e.points for _, e in load_catalogue().exercises() if not e.manual}
NOTEBOOK_OF = {e.grade_id: notebook for notebook, e in load_catalogue().exercises() if not e.manual}
PR_SET_CHILD_SUBREAPER = 36

Attack = Callable[[Path, Context], object]


class Expected(BaseModel):
    """What must come of an attack.

    It starts from the reference submission ("reference"), from the wrong control or from the released notebooks alone ("empty"). `lessons`
    keeps only the records whose ids begin so, to save time. The score must not be above `max_points`, the honest part's, and is `points`
    where that is given. `may_not_pass`: these grade ids have less than full points. `reported`: words that a person must find in what the
    class run tells of this learner: repairs, verdicts, summary. `not_judged`: grade ids for which that is legitimate.
    `compared`: words that a class run must say of this learner beside others.
    """

    model_config = ConfigDict(extra="forbid")

    starts_from: Literal["reference", "empty", "wrong"]
    lessons: list[Literal["start", "environment", "build", "debuggers", "inference", "profile", "exercises", "quiz"]] = []
    learner: str = ""  # the folder under submitted/; else ref- and the attack's name
    learner_hex: str = ""  # the same, where it is no text
    max_points: Annotated[float, Field(ge=0)]
    points: Annotated[float, Field(ge=0)] | None = None
    may_not_pass: list[str] = []
    reported: list[str] = []
    compared: list[str] = []
    not_judged: list[str] = []
    graded: bool = True  # False: this is no submission, and has no row in the gradebook
    needs_root: bool = False


@dataclass(frozen=True)
class Mounted:
    """One attack of the class."""

    name: str
    expected: Expected
    attack: Attack

    @property
    def learner(self) -> str:
        return self.expected.learner or os.fsdecode(bytes.fromhex(self.expected.learner_hex)) or f"ref-{self.name}"


@dataclass
class Outcome:
    """What came of the one class run."""

    grades: dict[str, dict[str, Grade]]
    told: dict[str, str]  # by learner: verdicts and repairs, as text
    said: str  # by the run itself
    root: Path
    changed: list[str] = field(default_factory=list)
    processes: list[str] = field(default_factory=list)
    contacts: int = 0

    def score(self, learner: str) -> float:
        return sum(grade.auto or 0.0 for grade in self.grades[learner].values())

    def not_judged(self, learner: str) -> set[str]:
        return {grade_id for grade_id, grade in self.grades[learner].items() if grade.auto is None and grade_id in MACHINE}

    def passed(self, learner: str) -> set[str]:
        return {grade_id for grade_id, grade in self.grades[learner].items() if (grade.auto or 0) >= MACHINE.get(grade_id, 1e9)}


def attacks() -> list[Mounted]:
    """Return all attacks, by name."""
    return [_load(folder) for folder in sorted((HERE / "attacks").iterdir()) if (folder / "attack.py").is_file()]


def control(name: str) -> Mounted:
    """Return the control "right" or "wrong"."""
    return _load(HERE / "controls" / name)


def _load(folder: Path) -> Mounted:
    spec = importlib.util.spec_from_file_location(f"attack_{folder.name}", folder / "attack.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.attack.__doc__, f"{folder.name}: what does the attacker want, and what stops it?"
    return Mounted(folder.name, Expected.model_validate_json((folder / "expected.json").read_bytes()), module.attack)


def generate(root: Path) -> None:
    """Make the course: source/, release/ and a gradebook, by `nbgrader generate_assignment`."""
    shutil.copytree(ANSWERS, root / "source" / ASSIGNMENT)
    run_nbgrader(root, "generate_assignment", os.environ)


def run_nbgrader(root: Path, command: str, environment: "os._Environ[str] | dict[str, str]", *more: str) -> str:
    """Run one of nbgrader's commands on the course with the repository's configuration and the checks of the class; return what it said."""
    line = [sys.executable, "-m", "nbgrader", command, ASSIGNMENT, f"--CourseDirectory.root={root}", *_CHECKS, *more]
    done = subprocess.run(
        line, cwd=REPOSITORY, env=dict(environment), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


AS_REFERENCE = ("--checks", "as_reference", "--path", str(HERE))
_CHECKS = ("--GradeOutOfKernel.checks=as_reference", f"--GradeOutOfKernel.path={HERE}")


def hand_in(root: Path, one: Mounted, context: Context) -> None:
    """Lay what the attack starts from into submitted/, and let the attack change it."""
    folder = root / "submitted" / one.learner / ASSIGNMENT
    lay(root, folder, one.expected)
    one.attack(folder, context)


def lay(root: Path, folder: Path, expected: Expected) -> None:
    """Write what an attack starts from."""
    source = root / "release" / ASSIGNMENT if expected.starts_from == "empty" else ANSWERS
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("evidence"))
    if expected.starts_from == "empty":
        return
    begins = tuple(f"{lesson}-" for lesson in expected.lessons)
    (folder / "evidence" / "files").mkdir(parents=True)
    for path in RECORDED.rglob("*.*"):
        name = str(path.relative_to(RECORDED)).removesuffix(".xz")
        if path.is_file() and path.name.startswith(begins or ("",)):
            (folder / "evidence" / name).write_bytes(handed.recorded(name))
    if expected.starts_from == "wrong":
        control("wrong").attack(folder, Context(root, "", folder, folder, 0, ""))


@contextmanager
def listener() -> Iterator[socket.socket]:
    """A port on this machine that nobody has a reason to call."""
    with socket.socket() as waiting:
        waiting.bind(("127.0.0.1", 0))
        waiting.listen()
        waiting.setblocking(False)
        yield waiting


def calls(waiting: socket.socket) -> int:
    """Return how many connections came in."""
    count = 0
    while True:
        try:
            waiting.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


@contextmanager
def orphans_come_here() -> Iterator[None]:
    """Make this process the parent of whatever its descendants leave behind, so that nothing can hide."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def children() -> set[str]:
    """Return the running children of this process, as "pid command"."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            before, _, after = path.read_text().rpartition(") ")
        except OSError:
            continue
        state, parent = after.split()[:2]
        if int(parent) == os.getpid() and state != "Z":
            found.add(f"{path.parent.name} {before.partition('(')[2]}")
    return found


def census(*folders: Path) -> dict[str, str]:
    """Return what lies below some folders: {path: kind, size, digest or target}. Reads no link, pipe, sparse or shared file."""
    return {str(path): _stock(path) for folder in folders for path in _below(folder)}


def _below(folder: Path) -> Iterator[Path]:
    yield folder
    if folder.is_dir() and not folder.is_symlink():
        for entry in sorted(os.scandir(folder), key=lambda one: one.name):
            yield from _below(Path(entry.path))


def _stock(path: Path) -> str:
    status = path.lstat()
    if status.st_nlink > 1 and not path.is_dir():
        return "has another name, too"  # the gradebook's, and that one may be written
    small = path.is_file() and not path.is_symlink() and status.st_size < 1 << 22
    digest = hashlib.sha256(path.read_bytes()).hexdigest() if small else str(path.is_symlink() and path.readlink())
    return f"{status.st_mode:o} {0 if path.is_dir() else status.st_size} {digest}"


def left_behind(mark: str, *folders: Path) -> list[str]:
    """Return files in places where everyone may write whose names begin with the mark."""
    return [str(path) for folder in folders if folder.is_dir() for path in folder.glob(f"{mark}*")]


def class_engine() -> bool:
    """Whether `python -m grading class` is there."""
    return importlib.util.find_spec("grading.classrun") is not None


def grade(root: Path, home: Path, *checks: str) -> str:
    """Grade the class once: with the class engine where it is there, else by nbgrader. Returns what the run said."""
    environment = {**os.environ, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    if not class_engine():
        return run_nbgrader(root, "autograde", environment)
    line = [
        sys.executable,
        "-m",
        "grading",
        "class",
        "--course-dir",
        str(root),
        "--jobs",
        "2",
        "--checks",
        "as_reference",
        "--path",
        str(HERE),
    ]
    done = subprocess.run(line, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    return f"exit code {done.returncode}\n{done.stdout}{done.stderr}"


def read_grades(root: Path) -> dict[str, dict[str, Grade]]:
    """Return {learner: {grade id: grade}} from the gradebook."""
    engine = create_engine(f"sqlite:///{root / 'gradebook.db'}")
    try:
        with engine.connect() as book:
            return {entry.learner: {cell: grade for (_, cell), grade in entry.grades.items()} for entry in entries(book, ASSIGNMENT)}
    finally:
        engine.dispose()


def read_compared(root: Path, learner: str) -> str:
    """Return what the class run says of one learner beside others; "" where learners were not compared."""
    alike = load_alike(alike_path(root, ASSIGNMENT)) or Alike()
    lines = [f"{one.records} records name {one.names or 'nobody here'}" for one in alike.named if one.learner == learner]
    for group in alike.groups:
        names = [member.learner for member in group.members]
        lines += [f"{group.traces} values alike with {name}" for name in names if learner in names and name != learner]
    return "\n".join(lines + ["more evidence than the course leaves"] * (learner in alike.cut))


def read_told(root: Path, learner: str) -> str:
    """Return what a person can read of one learner after the run: verdicts and repairs."""
    folder = root / "autograded" / learner / ASSIGNMENT
    lines = []
    for notebook in sorted(set(NOTEBOOK_OF.values())):
        lines += [f"{grade_id}: {told.state}: {told.seen}" for grade_id, told in told_in(folder, notebook).items()]
        report = folder / f"{notebook}.repairs.json"
        lines += [f"{notebook}: repaired: {one}" for one in json.loads(report.read_bytes())["repaired"]] if report.is_file() else []
    return "\n".join(lines)
