"""Which of vLLM's libraries, and which overlays, a process has mapped: names and build-ids, for the evidence."""

from collections.abc import Iterable
from pathlib import Path

from labkit.inspect_elf import inspect
from labkit.messages import LearnerMessage


def mapped(pid: int | str) -> list[str]:
    """Return the paths of the libraries that a process ("self" for this one) has mapped, sorted; [] for a process that is gone."""
    try:
        lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    except OSError:
        return []
    return sorted({line.split(maxsplit=5)[5] for line in lines if ".so" in line})


def libraries_of(pid: int) -> list[str]:
    """Return the paths of vLLM's libraries and of overlays that a process has mapped, [] for a process that is gone."""
    return [path for path in mapped(pid) if "overlay" in path or "/vllm/_" in path]


def identified(paths: Iterable[str]) -> list[list[str]]:
    """Return [name, build-id] of libraries, the build-id "" where it cannot be read."""
    return [[Path(path).name, _build_id(path)] for path in paths]


def _build_id(path: str) -> str:
    try:
        return inspect(Path(path)).build_id
    except LearnerMessage:
        return ""
