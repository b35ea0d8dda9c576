"""The class run on a terminal: progress with the time that is left, the summary, the exit code."""

import time

import typer
from rich.console import Console

from grading.classrun.engines import NoRay
from grading.classrun.outcome import Asked, ClassStopped, Summary
from grading.classrun.run import grade_class
from grading.classrun.told import earlier_changes, lines, save_summary, summary_path
from grading.rebuild import NoRelease
from grading.wording import plain

_EVERY = 5.0  # seconds between two lines of progress


class _Clock:
    """Tells how far the run is, and how long it will take at the pace since the first submission: before it, the workers start."""

    def __init__(self) -> None:
        self.began = self.told = 0.0
        self.graded = 0

    def __call__(self, done: int, of: int, learner: str) -> None:
        self.graded += 1
        now = time.monotonic()
        self.began = self.began or now
        if now - self.told < _EVERY and done < of:
            return
        self.told, pace = now, (now - self.began) / max(1, self.graded - 1)
        left = f"  {60 / pace:.0f} a minute, {pace * (of - done):.0f} s left" if pace else ""
        typer.echo(plain(f"{done}/{of}  {learner}") + left)


def run_class(asked: Asked) -> int:
    """Run, tell, and return the exit code: 0 all graded, 1 something needs a human, 2 it stopped."""
    summary, path = Summary(), summary_path(asked.course, asked.assignment)
    stopped = _stopped_by(asked, summary)
    if stopped and not summary.graded:  # nothing was done: what an earlier run told stays
        typer.echo(plain(stopped), err=True)
        return 2
    try:
        summary.changes[:0] = earlier_changes(path)
        save_summary(path, summary)
    except OSError as error:
        stopped = (
            stopped or f"{path}: {error.strerror}. The grades are written; this list of what happened is not. Make room, and run again."
        )
    if stopped:
        typer.echo(plain(stopped, 2000), err=True)
        return 2
    for line in lines(summary):
        Console().print(line, markup=False, highlight=False, emoji=False)
    typer.echo(f"all of it: {path}")
    return int(bool(summary.not_graded or summary.waiting))


def _stopped_by(asked: Asked, summary: Summary) -> str:
    """Grade; return why it stopped, or ""."""
    typer.echo(f"grading {asked.assignment}: the workers load the checks first, which takes some seconds")
    try:
        grade_class(asked, _Clock(), summary)
    except (ClassStopped, NoRay, NoRelease) as stopped:
        return str(stopped)
    except KeyboardInterrupt:
        return "Interrupted. What was graded is kept; the same command" + (", without --force," if asked.force else "") + " goes on."
    return ""
