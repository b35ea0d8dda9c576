"""Builds that are broken on purpose, each by one thing, so that learners see the messages while nothing is at stake."""

import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from labkit.build.hook import FUNCTIONS
from labkit.build.tree import cmake_settings
from labkit.lane import Lane
from labkit.live import tail

KEPT = 80  # lines of a log
TOO_LITTLE = 150 * 1024 * 1024  # bytes of address space: less than any file with torch's headers needs


@dataclass(frozen=True)
class Attempt:
    """A command that will fail, or do the wrong thing, and the environment that it needs to."""

    command: list[str]
    environment: dict[str, str]


def attempts(tree: Path, folder: Path, release: Path, lane: Lane, hook: Path, names: Mapping[str, str]) -> dict[str, Attempt]:
    """Return the attempts by cause. `release` is a configured build folder, `hook` what stands in for GitHub; `folder` is for the wreckage.

    `names` has a folder's name for each cause: a log tells its folder, and must not tell the cause by it.
    """
    shutil.rmtree(folder, ignore_errors=True)
    plain = ["cmake", "-S", str(tree), *cmake_settings("Release", lane)]
    offline = [f"-DCMAKE_PROJECT_vllm_extensions_INCLUDE={hook}"]
    made: dict[str, Callable[[Path], Attempt]] = {
        "no_ninja": lambda to: Attempt([_only(to, "cmake"), *plain[1:], "-G", "Ninja", "-B", str(to), *offline], {"PATH": str(to / "bin")}),
        "wrong_torch": lambda to: Attempt([*plain, "-G", "Ninja", "-B", str(to), *offline, f"-DVLLM_PYTHON_EXECUTABLE={_bare_python(to)}"], {"PYTHONPATH": ""}),
        "no_network": lambda to: Attempt([*plain, "-G", "Ninja", "-B", str(to), f"-DCMAKE_PROJECT_vllm_extensions_INCLUDE={FUNCTIONS}"], {"https_proxy": "http://127.0.0.1:9", "GIT_TERMINAL_PROMPT": "0"}),
        "bad_build_type": lambda to: Attempt([*plain, "-G", "Ninja", "-B", str(to), *offline, "-DCMAKE_BUILD_TYPE=RelWithDebugInfo"], {}),
        "out_of_memory": lambda _: Attempt(["prlimit", f"--as={TOO_LITTLE}", "ninja", "-C", str(release), _an_object(release)], {}),
    }  # fmt: skip
    return {cause: make(folder / names[cause]) for cause, make in made.items()}


def _only(folder: Path, program: str) -> str:
    """A folder for PATH with the compilers and one more program in it, but no ninja. Returns that program's path in it."""
    (folder / "bin").mkdir(parents=True)
    for name in (program, "g++", "gcc", "c++", "cc", "as", "ld", "nvcc", "make"):
        if found := shutil.which(name):
            (folder / "bin" / name).symlink_to(found)
    return str(folder / "bin" / program)


def _bare_python(folder: Path) -> str:
    """A Python that has no torch: the one that the course's environment was made from, told to look at nobody's packages."""
    folder.mkdir(parents=True)
    base = Path(getattr(sys, "_base_executable", sys.executable))
    script = folder / base.name
    script.write_text(f'#!/bin/sh\nexec "{base}" -I -S "$@"\n')
    script.chmod(0o755)
    return str(script)


def _an_object(release: Path) -> str:
    """A C++ object file of the release build, removed if it was built. Not a .cu: nvcc's parts run out of memory in many words."""
    known = (line.partition(":")[0].removeprefix("build ") for line in (release / "build.ninja").read_text().splitlines())
    objects = sorted(name for name in known if name.endswith(".cpp.o") and "dnnl" not in name and "/_C" in name)
    (release / objects[0]).unlink(missing_ok=True)
    return objects[0]


def telling(output: str) -> str:
    """Return the part of a failed build's output that a reader needs: no long commands, no colours, the first and the last lines."""
    lines = [line[:160] for line in tail(output, len(output)) if " -isystem " not in line]
    return "\n".join(lines if len(lines) <= KEPT else [*lines[: KEPT // 2], "…", *lines[-KEPT // 2 :]])
