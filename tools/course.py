"""The main job, `make course`: build the notebooks, run them solved, hand in, grade with nbgrader, report.

Writes build/course.json and build/report/index.html. Exits 1 when a notebook failed, the reference submission has less than
full marks, or the empty one has any. Everything happens under build/course/, so that an instructor's submissions and
gradebook are left alone.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import papermill
from papermill.exceptions import PapermillExecutionError
from rich.console import Console
from rich.table import Table

from labkit.lane import Lane, detect_lane
from labkit.messages import LearnerMessage
from labkit.model import packaged
from labkit.settings import settle_environment
from labkit.sources import vllm_source
from labkit.submit import ASSIGNMENT, submit
from tools.build import ROOT, build
from tools.grades import Score, scores
from tools.report import write_report

BUILD = ROOT / "build"
BUILT, RUN, GRADE = BUILD / "course" / "built", BUILD / "course" / "run", BUILD / "course" / "grade"  # your notebooks/ are left alone
CELL_SECONDS = 600  # a cell that takes longer hangs
GRADE_SECONDS = 900
LEARNER = "reference"
console = Console()


@dataclass(frozen=True)
class Executed:
    """One notebook that was run: how long it took, and whether every cell went well."""

    name: str
    seconds: float
    ok: bool


def main() -> int:
    """Run the main job and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lane", default="auto", choices=["auto", "cpu", "cuda"])
    try:
        return run_course(detect_lane(parser.parse_args().lane))
    except LearnerMessage as message:
        console.print(f"[bold]make course stopped:[/] {message}")
        return 1


def run_course(lane: Lane) -> int:
    """Do every step on this lane and return the exit code."""
    console.print(str(lane))
    shutil.rmtree(BUILT, ignore_errors=True)
    built = build(BUILT)
    step(1, f"build the notebooks: {sum(name.startswith('notebooks/') for name in built)} lessons, in {BUILT.relative_to(ROOT)}/")
    step(2, "fetch vLLM's source and convert the model, if that was not done before")
    settle_environment()
    vllm_source(console.print)
    packaged(console.print)
    step(3, "run the solved notebooks")
    executed = run_notebooks(lane)
    step(4, "hand in and grade: the reference submission of this run, and an empty one")
    hand_in()
    grade()
    found = scores(GRADE / "gradebook.db", ASSIGNMENT)
    return finish(lane, executed, found)


def step(number: int, what: str) -> None:
    """Announce a step."""
    console.print(f"\n[bold]\\[{number}/4] {what}[/]")


def run_notebooks(lane: Lane) -> list[Executed]:
    """Run the solved notebooks in a fresh folder, in order; evidence lands beside them. The rest still runs after one has failed."""
    shutil.rmtree(RUN, ignore_errors=True)
    RUN.mkdir(parents=True)
    return [run_notebook(path, RUN, lane.name, LEARNER) for path in sorted((BUILT / "source" / ASSIGNMENT).glob("*.ipynb"))]


def run_notebook(path: Path, into: Path, lane: str, learner: str) -> Executed:
    """Execute one notebook by papermill with its folder as working directory."""
    began = time.monotonic()
    try:
        papermill.execute_notebook(
            path, into / path.name, cwd=into, parameters={"LEARNER": learner, "LANE": lane},
            execution_timeout=CELL_SECONDS, progress_bar={"desc": f"{path.stem:20}", "file": sys.stdout, "mininterval": 2.0},
        )  # fmt: skip
        ok = True
    except PapermillExecutionError as error:
        console.print(f"{path.name}: cell {error.cell_index} failed: {error.ename}: {error.evalue}\n  see {into / path.name}", markup=False)
        ok = False
    return Executed(path.stem, round(time.monotonic() - began, 1), ok)


def hand_in() -> None:
    """Lay out a course for nbgrader: the source, the reference submission from the run, and an empty one from the release."""
    shutil.rmtree(GRADE, ignore_errors=True)
    shutil.copytree(BUILT / "source", GRADE / "source")
    submit(RUN, GRADE / "submitted", LEARNER)
    shutil.copytree(BUILT / "release" / ASSIGNMENT, GRADE / "submitted" / "empty" / ASSIGNMENT)


def grade() -> None:
    """Run the stock commands. Raises LearnerMessage when one of them fails."""
    for command in ("generate_assignment", "autograde", "generate_feedback"):
        nbgrader(command)


def nbgrader(command: str) -> None:
    """Run `nbgrader COMMAND day2` on build/course/grade with the course's configuration, its output in a log file."""
    log = BUILD / "course" / f"{command}.log"
    line = [sys.executable, "-m", "nbgrader", command, ASSIGNMENT, "--force", f"--CourseDirectory.root={GRADE}"]
    began = time.monotonic()
    with log.open("w") as stream:
        done = subprocess.run(line, cwd=ROOT, stdout=stream, stderr=subprocess.STDOUT, timeout=GRADE_SECONDS, check=False, env=os.environ)
    console.print(f"nbgrader {command} {ASSIGNMENT}: exit code {done.returncode}, {time.monotonic() - began:.1f} s")
    if done.returncode:
        raise LearnerMessage(f"nbgrader {command} failed:\n{log.read_text()[-2000:]}", f"The whole log is {log}.")


def finish(lane: Lane, executed: list[Executed], found: dict[str, list[Score]]) -> int:
    """Print the score table, write the JSON and the report, and return the exit code."""
    console.print(score_table(found))
    totals = {
        learner: {"score": sum(s.points for s in rows), "max": sum(s.maximum for s in rows)} for learner, rows in sorted(found.items())
    }
    summary = {"lane": lane.name, "notebooks": [asdict(e) for e in executed], "submissions": totals}
    (BUILD / "course.json").write_text(json.dumps(summary, indent=1) + "\n")
    report = write_report(BUILD / "report", RUN, GRADE, lane, [asdict(e) for e in executed], found)
    console.print(f"seconds per notebook: {', '.join(f'{e.name} {e.seconds:.0f}' + ('' if e.ok else ' FAILED') for e in executed)}")
    console.print(f"report with plots: {report.relative_to(ROOT)}\nnumbers: build/course.json")
    good = all(e.ok for e in executed) and totals["reference"]["score"] == totals["reference"]["max"] > 0 and totals["empty"]["score"] == 0
    console.print("The reference has full marks, the empty submission has none." if good else "[bold]Something is wrong:[/] see above.")
    return 0 if good else 1


def score_table(found: dict[str, list[Score]]) -> Table:
    """Return the scores as a table: one row per exercise, one column per submission."""
    table = Table(title="Scores")
    table.add_column("exercise")
    for learner in sorted(found, reverse=True):
        table.add_column(learner, justify="right")
    table.add_column("max", justify="right")
    by_learner = [{s.grade_id: s for s in found[learner]} for learner in sorted(found, reverse=True)]
    for grade_id, first in by_learner[0].items():
        table.add_row(grade_id, *(f"{rows[grade_id].points:g}" for rows in by_learner), f"{first.maximum:g}")
    sums = [sum(s.points for s in rows.values()) for rows in by_learner]
    table.add_row("together", *(f"{total:g}" for total in sums), f"{sum(s.maximum for s in by_learner[0].values()):g}", style="bold")
    return table


if __name__ == "__main__":
    raise SystemExit(main())
