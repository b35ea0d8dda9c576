"""Carry the set-up out: the steps in order, each announced and timed, whatever was done before left alone. Standard library only."""

import argparse
import fcntl
import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from types import FrameType

from tools import setup_machine
from tools.setup_pip import StepFailed
from tools.setup_steps import Place, Step, plan

ROOT = Path(__file__).resolve().parent.parent


def _say(line: str) -> None:
    print(line, flush=True)


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python3 tools/setup.py", description="Set the course up in a virtual environment inside this clone."
    )
    parser.add_argument("--lane", choices=("auto", "cpu", "cuda"), default="auto", help="default: what this machine has")
    parser.add_argument("--grader", action="store_true", help="set up .venv-grader for a grading machine: no torch, no vLLM")
    return parser.parse_args(arguments)


def choose(root: Path, asked: argparse.Namespace) -> tuple[Place, str]:
    """Where to work and on which lane, with the reason for it."""
    if asked.grader:
        return Place(root, root / ".venv-grader", "grader"), "asked for with --grader"
    venv = root / ".venv"
    noted = venv / ".setup" / "lane"
    lane, reason = setup_machine.lane(asked.lane, noted.read_text().strip() if noted.is_file() else "")
    return Place(root, venv, lane), reason


def _foreign(place: Place) -> str:
    """What to say about an environment that somebody else made: the set-up removes only its own."""
    if not place.venv.exists() or place.marks.is_dir():
        return ""
    name = place.venv.name
    return f"{name}: is here, and this set-up did not make it. Expected none, or its own. Next: mv {name} {name}.old, then run the same command again."


def _hold(place: Place) -> Place:
    """Take the lock, waiting for another set-up of this clone to end."""
    place.marks.mkdir(parents=True, exist_ok=True)
    lock = os.open(place.marks / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _say("Another set-up of this clone is at work (or its last pip still is): waiting for it. Ctrl-C gives up.")
        fcntl.flock(lock, fcntl.LOCK_EX)
    return replace(place, lock=lock)


def _check(place: Place, due: list[Step], total: int) -> bool:
    """The first step: say everything that is missing at once."""
    _say(f"[1/{total}] check this machine")
    needs = () if place.lane == "grader" else setup_machine.TOOLS
    found = setup_machine.problems(place.root, sum(step.gigabytes for step in due), needs)
    for problem in found:
        _say(f"      {problem}")
    return not found


def carry_out(place: Place, steps: list[Step]) -> None:
    """Do the steps that are due, and stamp each when it is finished."""
    total = len(steps) + 1
    for number, step in enumerate(steps, 2):
        if step.done(place):
            _say(f"[{number}/{total}] {step.title}: done before")
            continue
        _say(f"[{number}/{total}] {step.title}  ({step.cost})")
        started = time.monotonic()
        (place.marks / step.name).unlink(missing_ok=True)
        step.act(place)
        step.stamp(place)
        _say(f"      done in {time.monotonic() - started:.1f} s")


def set_up(place: Place, reason: str) -> int:
    """Bring one environment to what its lane asks for; the exit code."""
    steps = plan(place)
    if all(step.done(place) for step in steps):
        _say(f"The set-up is complete ({place.lane} lane in {place.venv.name}): nothing to do.")
        return 0
    complaint = _foreign(place)
    if complaint:
        _say(complaint)
        return 1
    _say(f"Lane: {place.lane} ({reason}).")
    if not _check(place, [step for step in steps if not step.done(place)], len(steps) + 1):
        return 1
    started = time.monotonic()
    carry_out(_hold(place), steps)
    _say(f"The set-up is complete ({place.lane} lane in {place.venv.name}), {time.monotonic() - started:.0f} s. Next: make lab")
    return 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main(arguments: list[str]) -> int:
    """Run the command line."""
    asked = _arguments(arguments)
    signal.signal(signal.SIGTERM, _interrupt)  # `kill` ends pip too and says how to go on, as Ctrl-C does
    problem = setup_machine.lane_problem(asked.lane)
    if problem:
        _say(problem)
        return 1
    try:
        return set_up(*choose(ROOT, asked))
    except StepFailed as failure:
        _say(str(failure))
        return 1
    except KeyboardInterrupt:
        _say("\nInterrupted. Run the same command again: it goes on with the step that was not finished.")
        return 130
    except OSError as failure:
        _say(f"{failure.filename or 'set-up'}: {failure.strerror or failure}. Next: put that right and run the same command again.")
        return 1
