"""What the run brings back, small and without this machine's paths: evidence, executed notebooks, results of the benches, summary.json."""

import gzip
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from labkit.lane import Lane
from labkit.recorder import machine, versions, write_atomically
from labkit.redact import redact
from labkit.system import dotted, version_of
from tools.gpu_acceptance_notebook import report
from tools.gpu_acceptance_run import state_of
from tools.gpu_acceptance_steps import STEPS, Step

LOG_BYTES = 20_000  # of each log, from its end
TOOLS: Mapping[str, Sequence[str]] = {
    "nsys": ("nsys", "--version"), "cuda-gdb": ("cuda-gdb", "--version"), "gdb": ("gdb", "--version"), "nvcc": ("nvcc", "--version"),
    "g++": ("g++", "--version"), "cmake": ("cmake", "--version"), "ninja": ("ninja", "--version"),
}  # fmt: skip
WHERE = (Path("/usr/local/cuda/bin"),)  # tools that are installed, but not on PATH
GPU = ("nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader")


def about(lane: Lane) -> dict[str, Any]:
    """Return what the results are labelled with: the machine, its driver, and versions. It takes a second; ask once."""
    return {
        "lane": lane.name,
        "machine": machine(lane.gpu).model_dump(),
        "gpu": _said(GPU),
        "versions": versions(),
        "tools": {name: dotted(found) for name, command in TOOLS.items() if (found := version_of(name, _said(command)))},
    }


def _said(command: Sequence[str]) -> str:
    program = shutil.which(command[0]) or shutil.which(command[0], path=os.pathsep.join(map(str, WHERE)))
    if program is None:
        return ""
    try:
        return subprocess.run([program, *command[1:]], capture_output=True, text=True, timeout=20, check=False).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def summary(work: Path, steps: Sequence[Step], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known of the run so far: the label, and of each step its state, and its notebook's cells and failures.

    `steps` are those of this call; those of earlier calls with the same folder are told of as well.
    """
    noted = {step: state_of(work, step.name) for step in dict.fromkeys([*STEPS, *steps])}
    told = [
        (state or {"name": step.name, "state": "not begun"}) | (report(work / "notebooks" / f"{step.name}.ipynb") if step.lesson else {})
        for step, state in noted.items()
        if state or step in steps
    ]
    by_lesson = {lesson: sum(one.get("seconds", 0.0) for one in told if one.get("lesson") == lesson) for lesson in _lessons(told)}
    return {**facts, "seconds_per_notebook": {lesson: round(seconds, 1) for lesson, seconds in by_lesson.items() if seconds}, "steps": told}


def _lessons(told: Sequence[Mapping[str, Any]]) -> list[str]:
    return sorted({str(one["lesson"]) for one in told if one.get("lesson")})


def pack(work: Path, out: Path, steps: Sequence[Step], facts: Mapping[str, Any]) -> None:
    """Bring OUT up to date. Each file is replaced at once, so that a run that is cut off leaves whole ones."""
    evidence = work / "run" / "evidence"
    for path in sorted(evidence.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            _keep(out / "evidence" / path.relative_to(evidence), path.read_bytes())
    for path in sorted((work / "notebooks").glob("*.ipynb")):
        _keep(out / "notebooks" / f"{path.name}.gz", gzip.compress(clean(path.read_text(), work).encode(), mtime=0))
    for path in sorted((work / "results").glob("*.json")):
        _keep(out / "results" / path.name, clean(path.read_text(errors="replace"), work).encode())
    for path in sorted((work / "logs").glob("*")):
        _keep(out / "logs" / f"{path.name}.txt", clean(path.read_bytes()[-LOG_BYTES:].decode(errors="replace"), work).encode())
    write_atomically(out / "summary.json", clean(json.dumps(summary(work, steps, facts), indent=1), work) + "\n")


def clean(text: str, work: Path) -> str:
    """Return a text without this machine's folders, names in them, and credentials (labkit.redact)."""
    folders = {str(work): "<run>", str(work.resolve()): "<run>"} | ({os.environ["SITE"]: "<site>"} if os.environ.get("SITE") else {})
    for folder in sorted(folders, key=len, reverse=True):
        text = re.sub(re.escape(folder) + r"(?![\w.-])", folders[folder], text)
    return redact(text)


def _keep(path: Path, data: bytes) -> None:
    if path.is_file() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    draft.write_bytes(data)
    draft.replace(path)
