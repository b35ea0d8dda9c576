"""The class run on a terminal: progress with the time that is left, the summary, the exit code."""

import time

import typer
from rich.console import Console

from grading.classrun.engines import NoRay
from grading.classrun.outcome import Asked, ClassStopped
from grading.classrun.run import grade_class
from grading.classrun.told import lines, save_summary, summary_path
from grading.rebuild import NoRelease
from grading.wording import plain

_EVERY = 5.0  # seconds between two lines of progress


class _Clock:
    """Tells how far the run is, and how long it will take at the pace so far."""

    def __init__(self) -> None:
        self.began = self.told = time.monotonic()
        self.graded = 0

    def __call__(self, done: int, of: int, learner: str) -> None:
        self.graded += 1
        now = time.monotonic()
        if now - self.told >= _EVERY or done == of:
            self.told, pace = now, (now - self.began) / self.graded
            typer.echo(plain(f"{done}/{of}  {learner}  {60 / pace:.0f} a minute, {pace * (of - done):.0f} s left"))


def run_class(asked: Asked) -> int:
    """Run, tell, and return the exit code: 0 all graded, 1 something needs a human, 2 it stopped."""
    try:
        summary = grade_class(asked, _Clock())
        path = summary_path(asked.course, asked.assignment)
        save_summary(path, summary)
    except (ClassStopped, NoRay, NoRelease) as stopped:
        typer.echo(plain(str(stopped)), err=True)
        return 2
    except KeyboardInterrupt:
        typer.echo("Interrupted. What was graded is kept; the same command goes on.", err=True)
        return 2
    for line in lines(summary):
        Console().print(line, markup=False, highlight=False)
    typer.echo(f"all of it: {path}")
    return int(bool(summary.not_graded or summary.waiting))
