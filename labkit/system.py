"""The machine as the doctor sees it: four questions that tests answer with another machine's answers."""

import re
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from labkit.paths import course_root


class System:
    """This machine."""

    def which(self, program: str) -> str | None:
        """Return the program's path: the one beside our Python (pip's cmake and ninja) before the one on PATH."""
        beside = Path(sys.executable).parent / program
        return str(beside) if beside.is_file() else shutil.which(program)

    def output(self, *command: str) -> str:
        """Return what a command prints (both streams), whatever its exit code. Raises OSError or subprocess.TimeoutExpired."""
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=20,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        return done.stdout

    def exit_code(self, *command: str) -> int:
        """Return a command's exit code. Raises OSError or subprocess.TimeoutExpired."""
        return subprocess.run(command, capture_output=True, timeout=20, stdin=subprocess.DEVNULL, check=False).returncode

    def running(self, program: str) -> bool:
        """Return whether a process of this name runs."""
        return any(process.info["name"] == program for process in psutil.process_iter(["name"]))

    def text(self, path: str) -> str | None:
        """Return the text of a (kernel) file, None where it is not there."""
        try:
            return Path(path).read_text().strip()
        except OSError:
            return None

    def package(self, name: str) -> str | None:
        """Return the version of an installed Python distribution."""
        try:
            return version(name)
        except PackageNotFoundError:
            return None

    def free_gib(self) -> float:
        """Return the free disk space of the course folder in GiB."""
        return float(shutil.disk_usage(course_root()).free / 2**30)

    def python(self) -> tuple[int, int, int]:
        """Return the version of the Python that runs us."""
        return sys.version_info[:3]

    def install(self, debian: str, fedora: str | None = None) -> str:
        """Return the command that installs a system package here."""
        if shutil.which("dnf") and not shutil.which("apt-get"):
            return f"sudo dnf install {fedora or debian}"
        return f"sudo apt-get install {debian}"


def version_in(text: str) -> tuple[int, ...]:
    """Return the first dotted number of a text as a tuple, () where there is none. `python3.12` in a program's name does not count."""
    found = re.search(r"(?<![\d.])(?<!python)\d+(?:\.\d+)+", text)
    return tuple(map(int, found.group().split("."))) if found else ()


def version_of(program: str, text: str) -> tuple[int, ...]:
    """Return the version in what `program --version` prints, () where there is none.

    A gdb says where it comes from in a bracket before its number, and cuda-gdb may name the program that it starts, with a path, above it.
    """
    if program.endswith("gdb") and (own := re.search(r"gdb(?:\s*\([^()]*\))?\s+(\d+(?:\.\d+)+)", text)):
        return version_in(own[1])
    return version_in(text)


def dotted(numbers: tuple[int, ...]) -> str:
    """Return a version tuple as text."""
    return ".".join(map(str, numbers))
