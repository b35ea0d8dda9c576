"""Whole checks on a submission that was changed: an input says which exercise, of which lane's reference, and what is changed in its files.

An input is JSON, {"grade_id": ..., "lane": ..., "edits": [...]}, so that it stays small and can be read. After the edits, hashes of produced
files and of runs that answers are about are written anew: a check would otherwise look no further.
"""

import json
import random
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

from grading.catalogue import load_catalogue
from grading.registry import Check, load_checks
from grading.submission import Submission
from grading.verdict import from_bad_evidence
from grading.wording import as_text
from labkit import evidence
from labkit.evidence import BadEvidence
from tools.fuzz_edits import document, edited
from tools.fuzz_seeds import EVIDENCE, hand_in
from tools.fuzz_values import draw_edit

LEARNER = "reference"
STARTS = (("facts",), ("facts",), ("facts", "answer"), ("facts", "turns"), ())
RETURNED = (  # by a learner's function, as Python
    "None", "True", "0", "-1", "10**400", "10**4298", "10**5000", "1e308", "float('nan')", "float('inf')", "'x' * 10**6", "chr(0xd800)", "[]", "{}", "a[0]",
    "[[[]]]", "{1: 2}", "[None] * 10**5", "set()", "a", "k", "(x for x in a)", "lambda: 0", "(lambda f: f(f))(lambda f: f(f))", "1 / 0", "exit()",
    "(_ for _ in ()).throw(ValueError(chr(0xd800) * 9))", "(_ for _ in ()).throw(type(chr(0xd800), (Exception,), {}))",
)  # fmt: skip
MOST_EDITS = 12
DRAWN_AGAIN = 0.6
SMALL = 20_000  # bytes of a record


class NotJudged(Exception):
    """What a learner may write led to "not judged", or could not be told."""


@cache
def points() -> Mapping[str, float]:
    """Return the points of each exercise that a check judges."""
    return {exercise.grade_id: exercise.points for _, exercise in load_catalogue().exercises() if not exercise.manual}


@cache
def checks() -> Mapping[str, Check]:
    """Return all checks by grade id."""
    return load_checks()


class Reference:
    """A reference submission on disk, some files of which are other ones for the time of a run."""

    def __init__(self, lane: str) -> None:
        self._holder = tempfile.TemporaryDirectory(prefix="fuzz-")
        self.lane, self.folder = lane, hand_in(lane, Path(self._holder.name))
        self._reads: dict[str, list[str]] = {}

    def judge(self, grade_id: str) -> str:
        """Judge one exercise as the judge's server does. Raises NotJudged, and whatever a check raises but for BadEvidence."""
        try:
            verdict = checks()[grade_id](Submission(self.folder, LEARNER), points()[grade_id])
        except BadEvidence as bad:
            verdict = from_bad_evidence(bad)
        if verdict.state == "not judged":
            raise NotJudged(verdict.seen)
        json.dumps(verdict.model_dump()).encode()
        as_text(verdict, points()[grade_id]).encode()
        return f"{grade_id} {verdict.state} {verdict.seen}"

    def reads(self, grade_id: str) -> list[str]:
        """Return the files that the check of an exercise opens."""
        if grade_id not in self._reads:
            opened: dict[str, None] = {}
            opener = evidence._open_beneath

            def noted(folder: Path, parts: list[str]) -> int:
                descriptor = opener(folder, parts)
                opened[str(Path(folder, *parts).relative_to(self.folder))] = None
                return descriptor

            with mock.patch.object(evidence, "_open_beneath", noted):
                self.judge(grade_id)
            self._reads[grade_id] = list(opened)
        return self._reads[grade_id]

    def changed(self, grade_id: str, edits: list[dict[str, Any]]) -> str:
        """Judge an exercise with files changed, and put the files back."""
        files = edited({name: self.original(name) for name in self.reads(grade_id)}, edits)
        kept = {name: (self.folder / name).read_bytes() for name in files}
        try:
            for name, data in files.items():
                self._put(name, data)
            return self.judge(grade_id)
        finally:
            for name, data in kept.items():
                self._put(name, data)

    def _put(self, name: str, data: bytes | None) -> None:
        (self.folder / name).unlink(missing_ok=True)  # a file that is cut and written again waits for the disk
        if data is not None:
            (self.folder / name).write_bytes(data)

    def original(self, name: str) -> bytes:
        """Return the bytes of a file as it was handed in."""
        return (self.folder / name).read_bytes()


@cache
def reference(lane: str) -> Reference:
    """Return the reference of a lane."""
    return Reference(lane)


def run(data: bytes) -> str:
    """Run one input. One that is no input at all is no finding."""
    try:
        asked = json.loads(data)
        grade_id, lane, edits = asked["grade_id"], asked["lane"], asked["edits"][:MOST_EDITS]
        known = grade_id in points() and lane in EVIDENCE and all(isinstance(edit, dict) for edit in edits)
    except (ValueError, KeyError, TypeError, RecursionError):
        known = False
    return reference(lane).changed(grade_id, edits) if known else "no input"


def seeds() -> list[bytes]:
    """Return one input without edits for each exercise and lane."""
    return [_input(grade_id, lane, []) for grade_id in points() for lane in EVIDENCE]


def mutate(draw: random.Random, data: bytes) -> bytes:
    """Add an edit to an input, or begin with another exercise."""
    try:
        asked = json.loads(data)
        grade_id, lane, edits = asked["grade_id"], asked["lane"], asked["edits"]
    except (ValueError, KeyError, TypeError):
        grade_id, lane, edits = "", "", []
    if grade_id not in points() or lane not in EVIDENCE or draw.random() < 0.5:
        grade_id, lane, edits = *_exercise(draw), []
    edits = edits[draw.randrange(2) :] if len(edits) > 6 else edits
    names = reference(lane).reads(grade_id)
    edits = [*edits, {"op": "lane"}] if draw.random() < 0.05 else edits
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        if names:
            edits = [*edits, _drawn(draw, reference(lane), draw.choice(names))]
    return _input(grade_id, lane, edits)


def _exercise(draw: random.Random) -> tuple[str, str]:
    """Draw an exercise and a lane; those that read more than records take ten times as long, and are drawn less often."""
    grade_id, lane = draw.choice(list(points())), draw.choice(("cpu", "cpu", "cuda"))
    slow = any(not name.endswith(".json") for name in reference(lane).reads(grade_id))
    return _exercise(draw) if slow and draw.random() < DRAWN_AGAIN else (grade_id, lane)


def _input(grade_id: str, lane: str, edits: list[dict[str, Any]]) -> bytes:
    return json.dumps({"grade_id": grade_id, "lane": lane, "edits": edits}).encode()


def _drawn(draw: random.Random, here: Reference, name: str) -> dict[str, Any]:
    if draw.random() < 0.04:
        return {"file": name, "op": draw.choice(("remove", "other lane's"))}
    if name.endswith(".ipynb") and draw.random() < 0.8:
        return {"file": name, "op": "returns", "value": draw.choice(RETURNED)}
    if name.endswith((".json", ".ipynb", ".json.gz")):
        raw = here.original(name)
        inside = draw.choice(STARTS) if name.endswith(".json") else ()
        return {"file": name, **draw_edit(draw, document(name, raw), inside, small=len(raw) < SMALL)}
    return {"file": name, "op": "bytes", "seed": draw.randrange(2**32), "elf": draw.random() < 0.8}
