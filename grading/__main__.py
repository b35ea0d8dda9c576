"""`python -m grading check SUBMISSION`: the verdicts that autograding gives, without nbgrader. `class`: a whole class. `report`: the pages. `sandbox`: does it hold?"""

import json
import os
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from grading.catalogue import CATALOGUE, BadCatalogue, load_catalogue
from grading.judge import Judge
from grading.registry import OUR_CHECKS
from grading.submissions import BadSubmission, Judged, judge_submission, learner_for, submission_folder
from grading.verdict import Verdict
from grading.wording import plain

app = typer.Typer(add_completion=False, no_args_is_help=True)
_COLOUR = {"passed": "green", "failed": "red", "not judged": "yellow"}


class Engine(Enum):
    """Who grades a class."""

    local = "local"
    ray = "ray"


@app.callback()
def grading() -> None:
    """Grade evidence."""


@app.command()
def check(
    submission: Annotated[Path, typer.Argument(help="submitted/<learner>/<assignment>, or a learner's notebooks/")],
    learner: Annotated[str, typer.Option(help="whose it is; else the folder name under submitted/, else what the evidence says")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object instead of a table")] = False,
    catalogue: Annotated[Path, typer.Option(help="what is graded")] = CATALOGUE,
    checks: Annotated[str, typer.Option(help="the package that lists the checks")] = OUR_CHECKS,
    path: Annotated[list[str] | None, typer.Option(help="a folder to import that package from")] = None,
) -> None:
    """Show the verdict on every exercise. Exit code: 0 all judged, 1 something needs a human, 2 the path or the catalogue is wrong."""
    try:
        folder, listed = submission_folder(submission), load_catalogue(catalogue)
    except (BadSubmission, BadCatalogue) as bad:
        typer.echo(plain(str(bad)), err=True)
        raise typer.Exit(2) from None
    whose = learner or learner_for(folder)
    with Judge(checks, path or []) as judge:
        judged = judge_submission(folder, whose, listed, judge)
    typer.echo(json.dumps(_data(whose, judged), indent=1)) if as_json else _show(whose, judged)
    raise typer.Exit(int(any(one.verdict.state == "not judged" for one in judged)))


@app.command()
def report(
    course_dir: Annotated[Path, typer.Option(help="where gradebook.db is, and nbgrader_config.py")] = Path(),
    assignment: Annotated[str, typer.Option(help="which assignment")] = "day2",
    to: Annotated[Path, typer.Option(help="the folder to write to; older reports in it are written over")] = Path("build/reports"),
) -> None:
    """Write one page for the class, and a page and a grades.json per learner. Exit code: 0 written, 2 not: the text says why."""
    from grading.report.write import NoReport, write_reports  # nbgrader takes seconds to load; `check` does without it

    try:
        typer.echo(plain(str(write_reports(course_dir, assignment, to))))
    except NoReport as problem:
        typer.echo(plain(str(problem)), err=True)
        raise typer.Exit(2) from None


@app.command(name="class")
def grade_the_class(
    course_dir: Annotated[Path, typer.Option(help="where gradebook.db is, and nbgrader_config.py")] = Path(),
    assignment: Annotated[str, typer.Option(help="which assignment")] = "day2",
    jobs: Annotated[int, typer.Option(min=1, max=1024, help="worker processes on this machine")] = os.cpu_count() or 1,
    engine: Annotated[Engine, typer.Option(help="who grades: processes of this machine, or Ray")] = Engine.local,
    address: Annotated[str, typer.Option(help="of a Ray cluster; without it, Ray starts here")] = "",
    timeout: Annotated[float, typer.Option(min=1, help="seconds for one submission")] = 120.0,
    memory: Annotated[int, typer.Option(min=256, help="MiB for one submission")] = 1024,
    checks: Annotated[str, typer.Option(help="the package that lists the checks; else what nbgrader_config.py says")] = "",
    path: Annotated[list[str] | None, typer.Option(help="a folder to import that package from")] = None,
    force: Annotated[bool, typer.Option("--force", help="grade again what did not change")] = False,
) -> None:
    """Grade a class; run it again after any interruption or change. Exit code: 0 all graded, 1 something needs a human, 2 it stopped."""
    from grading.classrun.command import run_class  # nbgrader takes seconds to load; `check` does without it
    from grading.classrun.outcome import Asked

    raise typer.Exit(
        run_class(Asked(course_dir, assignment, jobs, engine.value, address, timeout, memory, checks, tuple(path or ()), force))
    )


@app.command()
def sandbox() -> None:
    """Try about forty ways out of the sandbox. Exit code: 0 all held, 1 something got out, 2 there is no sandbox here."""
    from grading import sandbox_probe

    try:
        probes = sandbox_probe.probe()
    except sandbox_probe.NoSandbox as why:
        typer.echo(f"no sandbox: {why}", err=True)
        raise typer.Exit(2) from None
    typer.echo(sandbox_probe.report(probes))
    raise typer.Exit(int(not all(one.held for one in probes)))


def _data(learner: str, judged: list[Judged]) -> dict[str, object]:
    return {
        "learner": learner,
        "points": sum(one.verdict.points for one in judged),
        "max_points": sum(one.exercise.points for one in judged),
        "verdicts": [
            {"notebook": one.notebook, "grade_id": one.exercise.grade_id, "max_points": one.exercise.points} | one.verdict.model_dump()
            for one in judged
        ],
    }


def _show(learner: str, judged: list[Judged]) -> None:
    table = Table(
        Column("exercise", no_wrap=True), Column("verdict", no_wrap=True), Column("points", no_wrap=True), "why", title=plain(learner)
    )
    for one in judged:
        said = one.verdict
        points = f"{said.points:g} of {one.exercise.points:g}"
        table.add_row(Text(one.exercise.grade_id), Text(said.state, _COLOUR[said.state]), points, Text(_why(said)))
    Console().print(table)
    Console().print(f"{sum(one.verdict.points for one in judged):g} of {sum(one.exercise.points for one in judged):g} points")


def _why(said: Verdict) -> str:
    """Return what was seen; where that was not enough also what was expected, and the next step."""
    parts = [said.seen] if said.state == "passed" else [said.seen, f"Expected: {said.expected}", said.next_step]
    return "\n".join(plain(part, 300) for part in parts if part)


if __name__ == "__main__":
    app(prog_name="python -m grading")
