"""Whether a class run would notice: each file that a check opens, of the course's own, is in the check's digest."""

import contextlib
import sys
from pathlib import Path
from typing import Any

import pytest

from grading.classrun.reach import files_of
from grading.registry import Check, load_checks
from grading.submission import Submission
from labkit.evidence import BadEvidence

ROOT = Path(__file__).resolve().parents[2]
OPENED: list[str] = []
sys.addaudithook(lambda event, given: OPENED.append(str(given[0])) if event == "open" and isinstance(given[0], str) else None)


@pytest.mark.parametrize("lane", ["cpu", "cuda"])
def test_every_file_that_a_check_opens_is_in_its_digest(lane: str) -> None:
    _forget_caches()
    submission = Submission(ROOT / "recordings" / f"{lane}-reference", "reference")
    missing = {}
    for grade_id, check in load_checks().items():
        if more := opened_by(check, submission) - files_of(check):
            missing[grade_id] = sorted(more)
    assert not missing


def opened_by(check: Check, submission: Submission) -> set[Path]:
    """Return the files of the course's own that a check opens."""
    OPENED.clear()
    with contextlib.suppress(BadEvidence):
        check(submission, 1.0)
    found = {Path(one) for one in OPENED if one.startswith((f"{ROOT}/grading/", f"{ROOT}/labkit/"))}
    return {one for one in found if "__pycache__" not in one.parts}


def _forget_caches() -> None:
    """Empty the caches of our modules, so that a check opens here what another test's check opened."""
    for name in [name for name in sys.modules if name.split(".")[0] in ("grading", "labkit")]:
        for one in vars(sys.modules[name]).values():
            clear: Any = getattr(one, "cache_clear", None)
            if callable(clear):
                clear()


def test_the_audit_sees_the_files() -> None:
    _forget_caches()
    submission = Submission(ROOT / "recordings" / "cpu-reference", "reference")
    opened = {one.name for check in load_checks().values() for one in opened_by(check, submission)}
    assert {"quiz_key.json", "eager.trace.json.gz", "device_code.json"} <= opened
