"""Who does what in a build of vLLM: a diagram and a table made from the files of a source tree."""

import itertools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit import plots, show
from labkit.plots import show_figure
from labkit.sources import snippet


@dataclass(frozen=True)
class Stage:
    """One stage: its name, where in the tree it is written down, what it reads, and what it decides."""

    name: str
    where: str
    reads: str
    decides: str


def stages(tree: Path, build: Path) -> list[Stage]:
    """Return the five stages, with places and counts read from the source tree and from a build folder that was configured."""
    extension = "cmake/cpu_extension.cmake" if "cpu" in _cached(build, "VLLM_TARGET_DEVICE") else "CMakeLists.txt"
    names = len(re.findall(r"CMakeExtension\(name=", (tree / "setup.py").read_text()))
    edges = sum(line.startswith("build ") and ": phony" not in line for line in (build / "build.ninja").read_text().splitlines())
    return [
        Stage("pip", f"pyproject.toml:{_line(tree / 'pyproject.toml', 'build-backend')}", "[build-system]: what a build needs", "an environment to build in; calls setup.py"),
        Stage("setup.py", f"setup.py:{snippet(tree, 'setup.py', 'cmake_build_ext.configure')[0]}", "MAX_JOBS, CMAKE_BUILD_TYPE, CMAKE_ARGS", f"jobs; names of targets ({names} on all platforms); calls cmake"),
        Stage("CMake", f"{extension}:{_line(tree / extension, 'define_extension_target')}", "build type, compiler, torch", "sources and flags of each target; writes build.ninja"),
        Stage("ninja", f"build.ninja: {edges} commands", "times of files, .ninja_log", "what must be compiled again, and in which order"),
        Stage("the compiler", f"in force here: {_flags(build)}", "one source, its headers", "one object file"),
    ]  # fmt: skip


def show_stages(found: list[Stage]) -> None:
    """Show the stages as a diagram and as a table."""
    show_figure(_diagram(found), f"Diagram: {' calls '.join(stage.name for stage in found)}. The table says what each reads and decides.")
    rows = [(stage.name, stage.where, stage.reads, stage.decides) for stage in found]
    show.table("From pip to an object file", ("stage", "where to read on", "reads", "decides"), rows)


def _diagram(found: list[Stage]) -> Any:
    figure = plots.figure(10, 1.7)
    axes = figure.subplots()
    axes.set(xlim=(-0.5, len(found) - 0.5), ylim=(-1, 1))
    axes.axis("off")
    boxes: list[Any] = []
    for place, stage in enumerate(found):
        words = f"{stage.name}\n{stage.where.replace(': ', ':' + chr(10), 1).replace('/', '/' + chr(10))}"
        frame = {"boxstyle": "round,pad=0.5", "fc": "#eef3fa", "ec": plots.BLUE}
        boxes.append(axes.text(place, 0, words, ha="center", va="center", fontsize=8, bbox=frame))
    for place, (left, right) in enumerate(itertools.pairwise(boxes)):
        ends = {"patchA": left.get_bbox_patch(), "patchB": right.get_bbox_patch(), "shrinkA": 2, "shrinkB": 2}
        axes.annotate("", (place + 1, 0), (place, 0), arrowprops={"arrowstyle": "->", **ends})
    return figure


def _line(path: Path, text: str) -> int:
    return next((number for number, line in enumerate(path.read_text().splitlines(), 1) if text in line), 1)


def _cached(build: Path, name: str) -> str:
    found = re.search(rf"^{name}:\w+=(.*)$", (build / "CMakeCache.txt").read_text(), re.MULTILINE)
    return found.group(1) if found else ""


def _flags(build: Path) -> str:
    """What the build type adds to each C++ command, as CMake keeps it."""
    kind = _cached(build, "CMAKE_BUILD_TYPE")
    return f"{_cached(build, f'CMAKE_CXX_FLAGS_{kind.upper()}')} ({kind})"
