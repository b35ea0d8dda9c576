"""A submission made of real evidence (recordings/cpu-reference) and the solved notebooks."""

import functools
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from grading.likeness import known
from grading.registry import load_checks
from grading.submission import Submission
from grading.verdict import Verdict
from labkit.evidence import BadEvidence

ROOT = Path(__file__).resolve().parents[2]
POINTS = 10.0


class Handed:
    """A copy of the reference submission that a test may spoil."""

    def __init__(self, folder: Path, learner: str) -> None:
        self.folder, self.learner = folder, learner

    def grade(self, grade_id: str) -> Verdict:
        """Judge one exercise; bad evidence is a failed verdict, as in the judge."""
        try:
            return load_checks()[grade_id](Submission(self.folder, self.learner), POINTS)
        except BadEvidence as bad:
            return Verdict(state="failed", points=0, seen=str(bad), expected="", next_step="")

    def change(self, record_id: str, **facts: Any) -> None:
        """Replace facts of a record."""
        path = self.folder / "evidence" / f"{record_id}.json"
        record = json.loads(path.read_text())
        record["facts"] |= facts
        path.write_text(json.dumps(record))

    def facts(self, record_id: str) -> dict[str, Any]:
        """The facts of a record."""
        found: dict[str, Any] = json.loads((self.folder / "evidence" / f"{record_id}.json").read_text())["facts"]
        return found

    def solve(self, notebook: str, grade_id: str, source: str) -> None:
        """Replace the learner's solution of an exercise."""
        path = self.folder / f"{notebook}.ipynb"
        document = json.loads(path.read_text())
        cell = next(c for c in document["cells"] if c["id"] == f"answer-{grade_id}")
        cell["source"] = source
        path.write_text(json.dumps(document))


unpacked = functools.cache(known.unpacked)  # many tests hand in the same recording


def hand_in(recording: str, folder: Path) -> Handed:
    """Copy a recording, its packed files unpacked, and the solved notebooks into a submission."""
    shutil.copytree(ROOT / "recordings" / recording, folder)
    for packed in folder.rglob("*.xz"):
        packed.with_suffix("").write_bytes(unpacked(ROOT / "recordings" / recording / packed.relative_to(folder)))
        packed.unlink()
    for notebook in (ROOT / "source" / "day2").glob("*.ipynb"):
        shutil.copy(notebook, folder)
    return Handed(folder, "reference")


@pytest.fixture
def handed(tmp_path: Path) -> Handed:
    """The reference submission of the cpu lane, with evidence that a real run left."""
    return hand_in("cpu-reference", tmp_path / "submitted" / "reference" / "day2")


@pytest.fixture
def cuda_handed(tmp_path: Path) -> Handed:
    """The reference submission of the cuda lane, recorded on an H100."""
    return hand_in("cuda-reference", tmp_path / "submitted" / "reference" / "day2")
