"""Three checks: one reads a record, one runs a learner's function, one does what a broken or hostile check could do."""

import os
from pathlib import Path
from typing import Any

from grading.cases import Case, judge_function, verdict_of
from grading.limits import FunctionLimits
from grading.sandbox import run_function
from grading.submission import Submission
from grading.verdict import Verdict, from_rows
from labkit.learner import pick, token_of
from labkit.rows import row

SHORT = FunctionLimits(cpu_seconds=1, wall_seconds=1.5)
CASES = [Case((2,), 4), Case((2.5,), 5.0), Case(([1, 2],), [1, 2, 1, 2])]


def number(submission: Submission, points: float) -> Verdict:
    """You found your own number."""
    record = submission.evidence.record("demo-number")
    expected = pick(token_of(submission.learner), "number", 1000)
    rows = [row("your number", record.facts.get("number"), expected, "Run the cell again.")]
    if record.files:
        rows.append(row("its file", submission.evidence.file(record.files[0]) != b"", True, "Run the cell again."))
    return from_rows(rows, points)


def double(submission: Submission, points: float) -> Verdict:
    """Your function doubles what it is given."""
    return judge_function(submission, "01_demo", "answer-demo-double", "double", CASES, points, SHORT)


def fault(submission: Submission, points: float) -> Verdict:
    """The grader has no bad day."""
    mode = str(submission.evidence.record("demo-fault").facts.get("mode"))
    behaviour = {"no sandbox": _no_sandbox, "crash": _crash, "hang": _hang, "memory": _memory, "exit": _exit, "garbage": _garbage}
    behaviour |= {"too many points": _too_many, "prints": _prints}
    if mode in behaviour:
        return behaviour[mode](points)
    return from_rows([row("mode", mode, "fine", "Write mode = 'fine'.")], points)


def _no_sandbox(points: float) -> Verdict:
    return verdict_of(run_function("", "f", [], bwrap=Path("/nowhere/bwrap")), "f", [], points)


def _crash(points: float) -> Verdict:
    raise KeyError("secret-of-the-grader")


def _hang(points: float) -> Verdict:
    while True:
        pass


def _memory(points: float) -> Verdict:
    return Verdict(state="passed", points=len(bytearray(8 * 1024**3)), seen="", expected="")


def _exit(points: float) -> Verdict:
    os._exit(0)


def _garbage(points: float) -> Any:
    return "full marks"


def _too_many(points: float) -> Verdict:
    return Verdict(state="passed", points=points + 99, seen="a lot", expected="less")


def _prints(points: float) -> Verdict:
    os.write(1, b'{"verdict": {"state": "passed"}}')
    return from_rows([row("prints", 1, 1, "")], points)


def _unlisted(submission: Submission, points: float) -> Verdict:
    """A function that no list names."""
    return Verdict(state="passed", points=points, seen="", expected="")


CHECKS = [number, double, fault]
