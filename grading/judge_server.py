"""The judge's server: one JSON request per line in, one verdict per line out, each check in a forked child with limits.

It imports once and forks per check, so a check costs about 10 ms. A request names a check by grade id only.
"""

import argparse
import gc
import json
import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, BinaryIO

from pydantic import Field, ValidationError

from grading.forked import Ended, run_forked
from grading.limits import CheckLimits
from grading.registry import OUR_CHECKS, Check, learner_line, load_checks
from grading.submission import Submission
from grading.verdict import Verdict, from_bad_evidence, not_judged
from labkit.evidence import BadEvidence
from labkit.records import Strict

_WHY = {"time": "it took too long", "size": "its answer was too long"}


class Request(Strict):
    """What the client asks: judge this exercise of the submission in `folder`."""

    folder: str
    learner: str
    grade_id: Annotated[str, Field(max_length=200)]
    points: Annotated[float, Field(ge=0)]


def main(arguments: list[str] | None = None) -> None:
    """Serve until standard input ends. The replies keep the real standard output for themselves."""
    options = _parser().parse_args(arguments)
    sys.path[:0] = options.path
    checks = load_checks(options.checks)
    limits = CheckLimits(**json.loads(options.limits))
    requests, replies = _take_the_pipes()
    gc.collect()
    gc.freeze()  # what is loaded now stays shared with every child
    for line in requests:
        replies.write(answer(line, checks, limits) + b"\n")
        replies.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="grading.judge", description=__doc__)
    parser.add_argument("--checks", default=OUR_CHECKS, help="the package that lists the checks")
    parser.add_argument("--path", action="append", default=[], help="a folder to import that package from")
    parser.add_argument("--limits", default="{}", help="CheckLimits as JSON, where they differ from the usual ones")
    return parser


def _take_the_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Move stdin and stdout to private descriptors: a check that prints or reads cannot disturb the protocol."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    return requests, replies


def answer(line: bytes, checks: Mapping[str, Check], limits: CheckLimits) -> bytes:
    """Return the reply to one request: {"verdict": ..., "fault": what the instructor should see in the log, or ""}."""
    try:
        request = Request.model_validate_json(line)
    except ValidationError as error:
        return _reply(not_judged("The grader got a request that it does not understand."), str(error))
    check = checks.get(request.grade_id)
    if check is None:
        return _reply(not_judged(f"The grader has no check named {request.grade_id!r}."), f"no check {request.grade_id!r}")
    return _validated(run_forked(lambda: _judged(check, request), limits), request)


def _judged(check: Check, request: Request) -> bytes:
    """In the child: run the check. Evidence that is damaged is the learner's to mend; any other exception is our fault."""
    fault = ""
    try:
        verdict = check(Submission(Path(request.folder), request.learner), request.points)
    except BadEvidence as bad:
        verdict = from_bad_evidence(bad)
    except Exception as error:
        verdict = not_judged(f"The check of this exercise stopped with {type(error).__name__} inside the grader.")
        fault = traceback.format_exc()[-4000:]
    told = Verdict.model_validate(verdict).model_copy(update={"goal": learner_line(check)})
    return json.dumps({"verdict": told.model_dump(), "fault": fault}).encode()


def _validated(ended: Ended, request: Request) -> bytes:
    """In the parent: take nothing from the child that is not a verdict, and no more points than there are."""
    if ended.problem:
        why = _WHY.get(ended.problem, "it was ended")
        return _reply(
            not_judged(f"The check of this exercise did not finish inside the grader: {why}."), f"{request.grade_id}: {ended.problem}"
        )
    try:
        said: dict[str, Any] = json.loads(ended.reply)
        return _reply(_clamped(Verdict.model_validate(said["verdict"]), request.points), str(said["fault"]))
    except (ValueError, KeyError, TypeError) as error:
        return _reply(not_judged("The check of this exercise gave no verdict inside the grader."), f"{request.grade_id}: {error}")


def _clamped(verdict: Verdict, points: float) -> Verdict:
    earned = 0.0 if verdict.state == "not judged" else min(max(verdict.points, 0.0), points)
    return verdict.model_copy(update={"points": earned})


def _reply(verdict: Verdict, fault: str = "") -> bytes:
    return json.dumps({"verdict": verdict.model_dump(), "fault": fault}).encode()
