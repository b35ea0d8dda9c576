"""The main job, `make course`: build the notebooks, run them solved, hand in, grade with nbgrader, report.

Writes build/course.json and build/report/index.html. Exits 1 when a notebook failed, the reference submission has less than
full marks, or the empty one has any. Everything happens under build/course/, so that an instructor's submissions and
gradebook are left alone.
"""

import argparse
import json
import resource
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import papermill
from papermill.exceptions import PapermillExecutionError
from rich.console import Console
from rich.table import Table

from labkit.lane import Lane, LaneName, detect_lane
from labkit.messages import LearnerMessage
from labkit.model import packaged
from labkit.settings import settle_environment
from labkit.sources import vllm_source
from labkit.submit import ASSIGNMENT, submit
from tools.build import ROOT, build
from tools.by_hand import grade_by_hand
from tools.grades import Score, scores
from tools.report import write_report
from tools.schedule import KERNELS, cells_done, places, run_all
from tools.stock import Started, start
from tools.stock import finish as wait_for

BUILD = ROOT / "build"
BUILT, RUN, GRADE = BUILD / "course" / "built", BUILD / "course" / "run", BUILD / "course" / "grade"  # your notebooks/ are left alone
CELL_SECONDS = 600  # a cell that takes longer hangs
LEARNER = "reference"
console = Console()


@dataclass(frozen=True)
class Executed:
    """One notebook that was run: how long it took, what the processors did for it (that hardly depends on what else was running), whether
    every cell went well, and the first thing that did not."""

    name: str
    seconds: float
    cpu_seconds: float
    ok: bool
    problem: str = ""


def main() -> int:
    """Run the main job and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lane", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--at-once", type=int, default=0, metavar="N", help="notebooks side by side (default: what cores and memory allow)")
    asked = parser.parse_args()
    try:
        return run_course(detect_lane(asked.lane), asked.at_once)
    except LearnerMessage as message:
        console.print(f"[bold]make course stopped:[/] {message}")
        return 1


def run_course(lane: Lane, asked: int = 0) -> int:
    """Do every step on this lane and return the exit code. `asked` notebooks run at once, 0 for as many as the machine allows."""
    console.print(str(lane))
    shutil.rmtree(BUILT, ignore_errors=True)
    built = build(BUILT)
    step(1, f"build the notebooks: {sum(name.startswith('notebooks/') for name in built)} lessons, in {BUILT.relative_to(ROOT)}/")
    step(2, "fetch vLLM's source and convert the model, if that was not done before")
    settle_environment()
    vllm_source(console.print)
    packaged(console.print)
    shutil.rmtree(GRADE, ignore_errors=True)
    shutil.copytree(BUILT / "source", GRADE / "source")
    released = nbgrader("generate_assignment")  # it needs no run, so it goes on beside the first notebooks
    at_once = places(lane.name, asked)
    step(3, f"run the solved notebooks, {at_once} at a time" if at_once > 1 else "run the solved notebooks")
    executed = run_notebooks(lane.name, at_once)
    step(4, "hand in and grade: the reference submission of this run, and an empty one")
    console.print(wait_for(released))
    hand_in()
    console.print(wait_for(nbgrader("autograde")))
    for grade_id in grade_by_hand(GRADE / "gradebook.db", ASSIGNMENT, LEARNER):
        console.print(f"{grade_id}: a person grades it; here the reference's model answer gets full marks, as formgrader would enter them")
    console.print(wait_for(nbgrader("generate_feedback")))
    found = scores(GRADE / "gradebook.db", ASSIGNMENT)
    return finish(lane, executed, found)


def step(number: int, what: str) -> None:
    """Announce a step."""
    console.print(f"\n[bold]\\[{number}/4] {what}[/]")


def run_notebooks(lane: LaneName, at_once: int) -> list[Executed]:
    """Run the solved notebooks in a fresh folder; evidence lands beside them. The rest still runs after one has failed."""
    shutil.rmtree(RUN, ignore_errors=True)
    RUN.mkdir(parents=True)
    names = [path.stem for path in sorted((BUILT / "source" / ASSIGNMENT).glob("*.ipynb"))]
    began = time.monotonic()

    def tell(what: str) -> None:
        console.print(f"{time.monotonic() - began:5.0f} s  {what}", markup=False, highlight=False)

    return run_all(
        names, partial(run_notebook, into=RUN, lane=lane, learner=LEARNER), at_once=at_once,
        recorded=lambda record: (RUN / "evidence" / f"{record}.json").is_file(),
        begins=lambda name: tell(f"{name} begins"),
        ended=lambda one: tell(f"{one.name}: {one.problem or 'every cell went well'}, after {one.seconds:.0f} s"),
        beat=lambda running: tell(how_far(running)),
    )  # fmt: skip


def how_far(running: Sequence[str]) -> str:
    """Return one line on the notebooks that run: how many of their cells are done."""
    return "; ".join(f"{name}: cell {cells_done(RUN / f'{name}.ipynb') or '?'}" for name in running)


def run_notebook(name: str, into: Path, lane: LaneName, learner: str) -> Executed:
    """Execute one built notebook by papermill with its folder as working directory."""
    began, used, target, problem = time.monotonic(), children_cpu(), into / f"{name}.ipynb", ""
    try:
        papermill.execute_notebook(
            BUILT / "source" / ASSIGNMENT / target.name, target, cwd=into, parameters={"LEARNER": learner, "LANE": lane},
            execution_timeout=CELL_SECONDS, progress_bar=False, config=KERNELS,
        )  # fmt: skip
    except PapermillExecutionError as error:
        problem = f"FAILED in cell {error.cell_index}: {error.ename}: {error.evalue}\n  see {target.relative_to(ROOT)}"
    return Executed(name, round(time.monotonic() - began, 1), round(children_cpu() - used, 1), not problem, problem)


def children_cpu() -> float:
    """Return the CPU seconds of this process's children that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def hand_in() -> None:
    """Lay the reference submission from the run, and an empty one from the release, into nbgrader's course."""
    submit(RUN, GRADE / "submitted", LEARNER)
    shutil.copytree(BUILT / "release" / ASSIGNMENT, GRADE / "submitted" / "empty" / ASSIGNMENT)


def nbgrader(command: str) -> Started:
    """Start one of nbgrader's commands on build/course/grade; its log is build/course/COMMAND.log."""
    return start(command, GRADE, BUILD / "course" / f"{command}.log")


def finish(lane: Lane, executed: list[Executed], found: dict[str, list[Score]]) -> int:
    """Print the score table, write the JSON and the report, and return the exit code."""
    console.print(score_table(found))
    totals = {
        learner: {"score": sum(s.points for s in rows), "max": sum(s.maximum for s in rows)} for learner, rows in sorted(found.items())
    }
    summary = {"lane": lane.name, "notebooks": [asdict(e) for e in executed], "submissions": totals}
    (BUILD / "course.json").write_text(json.dumps(summary, indent=1) + "\n")
    report = write_report(BUILD / "report", RUN, GRADE, lane, [asdict(e) for e in executed], found)
    took = ", ".join(f"{e.name} {e.seconds:.0f} ({e.cpu_seconds:.0f})" + ("" if e.ok else " FAILED") for e in executed)
    console.print(f"seconds per notebook (of CPU): {took}")
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
