"""`python -m grading class` of bench/grading.py on a part of a class, and what 100,000 submissions would need by the figures."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.grading_measure import Cost, measured
from bench.grading_others import PATIENCE, NotRun
from labkit.submit import ASSIGNMENT
from tools.rehearse import CHECKS, write_config
from tools.stock import ROOT


@dataclass(frozen=True)
class Sizes:
    """What lies on the disk after a run, in bytes per student."""

    autograded: float
    gradebook: float


def part_of(course: Path, folder: Path, learners: Sequence[str]) -> Path:
    """Make a course directory with some learners of a class, nothing graded yet; their files are links."""
    for name in ("source", "release"):
        shutil.copytree(course / name, folder / name)
    shutil.copy(course / "gradebook.db", folder)
    write_config(folder)
    for learner in learners:
        shutil.copytree(course / "submitted" / learner, folder / "submitted" / learner, copy_function=os.link)
    return folder


def ours(python: str, course: Path, jobs: int, engine: str = "") -> Cost:
    """Grade a whole class. Raises NotRun."""
    command = [python, "-m", "grading", "class", "--course-dir", course, "--assignment", ASSIGNMENT, "--jobs", jobs, "--checks", CHECKS]
    words = [str(word) for word in command + (["--engine", engine] if engine else [])]
    cost = measured(words, ROOT, PATIENCE)
    if cost.exit_code < 0 or not (course / "autograded").is_dir():
        raise NotRun(f"grading class --jobs {jobs} {engine}: exit code {cost.exit_code}\n{cost.said[-1500:]}")
    return cost


def sizes(course: Path, before: int, students: int) -> Sizes:
    """Return the sizes after a run; `before`: the bytes of the gradebook when it was empty."""
    files = [path.stat().st_size for path in (course / "autograded").rglob("*") if path.is_file()]
    return Sizes(sum(files) / students, ((course / "gradebook.db").stat().st_size - before) / students)


def plan(figure: Mapping[str, float], submissions: int = 100_000, cores: int = 64) -> str:
    """Return the capacity plan as a paragraph.

    `figure`: cpu_s and writer_ms per student, worker_mb and base_mb of memory, and bytes per student: submitted, autograded, gradebook.
    """
    core_hours = submissions * figure["cpu_s"] / 3600
    at_most = 1000 / figure["writer_ms"]  # students per second that one writer can take
    useful = figure["cpu_s"] * at_most
    hours = max(core_hours / cores, submissions / at_most / 3600)
    gigabytes = {name: submissions * figure[name] / 1e9 for name in ("submitted", "autograded", "gradebook")}
    return (
        f"{submissions:,} submissions, each complete: {figure['cpu_s']:.2f} CPU seconds each, {core_hours:,.1f} core hours together; with "
        f"{cores} cores {hours:,.2f} hours. Memory: {figure['base_mb']:,.0f} MB, and {figure['worker_mb']:,.0f} MB for each worker "
        f"({(figure['base_mb'] + cores * figure['worker_mb']) / 1000:,.1f} GB with {cores}). Disk: {gigabytes['submitted']:,.0f} GB submitted, "
        f"{gigabytes['autograded']:,.1f} GB autograded, {gigabytes['gradebook']:,.2f} GB of gradebook. The one writer needs "
        f"{figure['writer_ms']:,.1f} ms per student, so it takes at most {at_most:,.0f} students per second: more than {useful:,.0f} cores for one "
        "gradebook are of no use."
    )
