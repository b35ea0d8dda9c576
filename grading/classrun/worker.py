"""A warm worker: it has imported everything once, and forks a limited child for every few submissions.

Started as `python -I -c ...` by Worker (grading/classrun/client.py). One JSON line in per submission, one framed answer out. A child
that breaks, or that meets a fault of the grader, is ended, and its submission is graded again with each check in a child of its own, as
`nbgrader autograde` does, so that sharing can change no verdict.
"""

import dataclasses
import gc
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from grading.classrun.frame import Frame
from grading.classrun.one import Judging, Task, grade, judge_together
from grading.forked import Serving, die_with, run_forked
from grading.judge_server import answer
from grading.likeness import warm
from grading.limits import CheckLimits
from grading.pipes import write_part
from grading.registry import Check, load_checks
from grading.verdict import Verdict, not_judged
from labkit.checks.profile_traces import recorded
from labkit.records import Strict

FAULTY = b"!"  # instead of a Graded in which checks met faults of the grader: it is graded again, so nobody reads it
SERVED = 16  # submissions by one child: a new one copies 60 MB of the worker's pages, a fifth of a submission's time
_SAMPLE = Path(__file__).resolve().parents[2] / "recordings" / "cpu-reference"
# Of an answer: 73 solution cells of 100,000 control characters, seven letters each in JSON inside JSON, are 51 million
MOST_BYTES = 64 * 1024 * 1024


class Setup(Strict):
    """What a worker is told once: the frame, where the checks are, the limits of one check and of one submission."""

    frame: Frame
    checks: str
    path: list[str] = Field(default_factory=list)
    limits: dict[str, float] = Field(default_factory=dict)
    seconds: float = 120.0
    memory_mib: int = 1024


class Question(Strict):
    """One submission: its folder, whose it is, and verdicts of an earlier run that still hold."""

    folder: str
    learner: str
    kept: dict[str, Verdict] = Field(default_factory=dict)


def main() -> None:
    """Serve until standard input ends, or the parent does."""
    die_with(int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the class run's to answer; this process ends with it
    questions, answers = os.fdopen(os.dup(0), "rb"), os.dup(1)
    _take_the_streams()
    setup = Setup.model_validate_json(questions.readline())
    sys.path[:0] = setup.path
    checks = load_checks(setup.checks)
    _warm_up(setup, checks)
    answering = Answering(setup, checks)
    for line in questions:
        write_part(answers, answering.answer(line))


def _take_the_streams() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)


def _warm_up(setup: Setup, checks: Mapping[str, Check]) -> None:
    """Load and compile what every child would, by grading evidence of our own; then freeze it, so that it stays shared with them.

    It saves a third of the time of a submission. A child tries first: a check that hangs or ends its process must not do so here.
    """
    warm()
    for kind in ("eager", "graphs"):
        recorded(kind)
    sample = Task(_SAMPLE, "reference")
    if not run_forked(lambda: _bytes(sample, setup.frame, judge_together(sample, checks, _each(setup))), _whole(setup)).problem:
        grade(sample, setup.frame, judge_together(sample, checks, _each(setup)))
    gc.collect()
    gc.freeze()


class Answering:
    """Grades submission after submission in children that serve a few each."""

    def __init__(self, setup: Setup, checks: Mapping[str, Check]) -> None:
        self._setup, self._checks = setup, checks
        self._child: Serving | None = None
        self._served = 0

    def answer(self, line: bytes) -> bytes:
        """Return a Graded as JSON; or {"problem": why} when not even an empty submission could be graded in time."""
        ended = self._serving().ask(line)
        self._served += 1
        if not ended.problem and not ended.reply.startswith(FAULTY):
            return ended.reply
        self._end()
        return _answered_apart(Question.model_validate_json(line), self._setup, self._checks)

    def _serving(self) -> Serving:
        # one that has grown is not reused: a large submission before it shall not take the memory that the next one needs (honest ones: 26 MiB)
        if self._child is None or self._served == SERVED or self._child.grown() > self._setup.memory_mib * 2**20 / 16:
            self._end()
            all_of_them = SERVED * int(self._setup.seconds)  # of CPU; one submission's time is the wall's
            most = dataclasses.replace(_whole(self._setup), cpu_seconds=all_of_them)
            self._child, self._served = Serving(self._graded, most), 0
        return self._child

    def _graded(self, line: bytes) -> bytes:
        task = _task(Question.model_validate_json(line))
        gc.disable()  # a collection in between would look at all that the submission holds
        try:
            graded = grade(task, self._setup.frame, judge_together(task, self._checks, _each(self._setup)))
            reply = FAULTY if graded.faults else graded.model_dump_json().encode()
            del graded
        except MemoryError:  # a child of its own may have room for it
            reply = FAULTY
        gc.collect()  # what this submission leaves; the worker's own objects are frozen
        return reply

    def _end(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None


def _answered_apart(question: Question, setup: Setup, checks: Mapping[str, Check]) -> bytes:
    task = _task(question)
    apart = _judge_apart(task, setup, checks, time.monotonic() + setup.seconds)
    too_small = _problem(f"it needs more than --memory {setup.memory_mib} MiB: run again with more")  # made while there is room

    def work() -> bytes:
        try:
            return _bytes(task, setup.frame, apart)
        except MemoryError:
            return too_small

    ended = run_forked(work, whole_again(_whole(setup)))
    return ended.reply if not ended.problem else _problem(f"the grader's process ended: {ended.problem}")


def _problem(why: str) -> bytes:
    return json.dumps({"problem": why}).encode()


def _task(question: Question) -> Task:
    return Task(Path(question.folder), question.learner, question.kept)


def _whole(setup: Setup) -> CheckLimits:
    return CheckLimits(
        cpu_seconds=int(setup.seconds), wall_seconds=setup.seconds, memory_bytes=setup.memory_mib * 2**20, reply_bytes=MOST_BYTES
    )


def _each(setup: Setup) -> CheckLimits:
    return CheckLimits(**setup.limits)  # type: ignore[arg-type]


def whole_again(limits: CheckLimits) -> CheckLimits:
    """Return the limits of the second try: the checks now have their own, and may take their time one after the other."""
    return CheckLimits(
        cpu_seconds=limits.cpu_seconds,
        wall_seconds=2 * limits.wall_seconds + 30,
        memory_bytes=limits.memory_bytes,
        reply_bytes=limits.reply_bytes,
    )


def _bytes(task: Task, frame: Frame, judging: Judging) -> bytes:
    gc.disable()  # the child is short, and a collection would copy the parent's pages
    return grade(task, frame, judging).model_dump_json().encode()


def _judge_apart(task: Task, setup: Setup, checks: Mapping[str, Check], deadline: float) -> Judging:
    limits = _each(setup)

    def judging(grade_id: str, points: float) -> tuple[Verdict, str]:
        if time.monotonic() > deadline:
            return not_judged("The checks of this submission took too long inside the grader."), "out of time"
        request = json.dumps({"folder": str(task.folder), "learner": task.learner, "grade_id": grade_id, "points": points})
        said = json.loads(answer(request.encode(), checks, limits))
        return Verdict.model_validate(said["verdict"]), said["fault"]

    return judging
