"""Take evidence of an acceptance run into recordings/, small, labelled, and only what its checks pass; nothing that is there gets worse."""

import json
import lzma
import shutil
import tempfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grading.catalogue import load_catalogue
from grading.likeness.known import unpacked
from grading.registry import load_checks
from grading.submission import Submission
from labkit.evidence import BadEvidence
from labkit.settled import SettledEvidence
from tools.gpu_acceptance_grade import judged, submission
from tools.gpu_acceptance_notebook import LEARNER

MOST_BYTES = 8_000_000  # of one recording: a clone brings both lanes'
PACKED_FROM = 100 * 1024  # larger files are packed with xz
LABEL = "machine.json"
Files = Mapping[str, Path]  # path inside evidence/: where it lies now


class NotTaken(Exception):
    """Nothing can be taken: another lane's evidence, or too much of it. The text says which."""


@dataclass(frozen=True)
class Taken:
    """What came of it: records taken anew, those that were left alone, points before and after."""

    records: tuple[str, ...]
    left: tuple[str, ...]
    before: float
    after: float


def record_of(path: str) -> str:
    """Return the id of the record that a file inside evidence/ belongs to."""
    return Path(path).name.split(".")[0]


def lesson_of(record: str) -> str:
    """Return what the ids of a lesson's records begin with; answers to the quiz are one group."""
    return record.split("-")[0]


def files_of(evidence: Path) -> dict[str, Path]:
    """Return the files of an evidence folder; a packed one by the name that it has when it is unpacked."""
    found = {
        str(path.relative_to(evidence)): path for path in sorted(evidence.rglob("*")) if path.is_file() and not path.name.startswith(".")
    }
    return {name.removesuffix(".xz"): path for name, path in found.items()}


def merged(old: Files, new: Files, records: Collection[str]) -> dict[str, Path]:
    """Return the old files with those of some records in their new version. A record goes as a whole, with the files that it produced."""
    kept = {name: path for name, path in old.items() if record_of(name) not in records}
    return kept | {name: path for name, path in new.items() if record_of(name) in records}


@dataclass(frozen=True)
class Graded:
    """What one exercise earned, 0.0 if it did not pass, and the records that its check asked for."""

    points: float
    asked: frozenset[str]


Grades = Mapping[str, Graded]  # by exercise


def no_worse(found: Grades, than: Grades) -> bool:
    """Whether no exercise lost points."""
    return all(exercise in found and found[exercise].points >= graded.points for exercise, graded in than.items())


def choose(old: Files, new: Files, grade: Callable[[Files], Grades]) -> set[str]:
    """Return the records to take.

    All at once when that is no worse, because lessons refer to each other; else lesson by lesson. Of a lesson in which an exercise did not
    pass only those stay that one which passed has asked for.
    """
    groups: dict[str, set[str]] = {}
    for name in new:
        groups.setdefault(lesson_of(record_of(name)), set()).add(record_of(name))
    best, taken = grade(old), set[str]()
    for records in (set().union(*groups.values()), *groups.values()):
        if not records <= taken and no_worse(found := grade(merged(old, new, taken | records)), best):
            taken, best = taken | records, found
    failed = {lesson_of(exercise) for exercise, graded in best.items() if not graded.points}
    needed = {record for graded in best.values() if graded.points for record in graded.asked}
    chosen = {record for record in taken if lesson_of(record) not in failed or record in needed}
    return chosen if no_worse(grade(merged(old, new, chosen)), best) else taken


class Noting(SettledEvidence):
    """Evidence that notes which records were asked for."""

    def __init__(self, folder: Path, owner: str) -> None:
        super().__init__(folder, owner)
        self.asked = set[str]()

    def raw(self, record_id: str) -> bytes:
        """Return the bytes of a record's file. Raises Missing or BadEvidence."""
        self.asked.add(record_id)
        return super().raw(record_id)


def grade_here(files: Files, scratch: Path) -> dict[str, Graded]:
    """Run the real checks on a set of files in this process: the evidence is our own, and a process per check would take a minute."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        write(files, Path(folder) / "evidence", pack=False)
        laid = submission(Path(folder) / "evidence", Path(folder))
        checks = load_checks()
        return {e.grade_id: _graded(laid, checks[e.grade_id], e.points) for _, e in load_catalogue().exercises() if not e.manual}


def _graded(folder: Path, check: Callable[[Submission, float], Any], most: float) -> Graded:
    submitted, noting = Submission(folder, LEARNER), Noting(folder / "evidence", LEARNER)
    object.__setattr__(submitted, "evidence", noting)  # the class is frozen for checks, not for us
    try:
        verdict = check(submitted, most)
        points = verdict.points if verdict.state == "passed" else 0.0
    except BadEvidence:
        points = 0.0
    return Graded(points, frozenset(noting.asked))


def points_of(evidence: Path, scratch: Path) -> float:
    """Return the points of an evidence folder, as the judge gives them."""
    return sum(one.verdict.points for one in judged(submission(evidence, scratch)))


def write(files: Files, evidence: Path, *, pack: bool) -> None:
    """Make a folder hold exactly these files; with `pack`, large ones packed with xz."""
    draft = evidence.with_name(f".{evidence.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    for name, path in files.items():
        target = draft / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".xz" and pack:
            shutil.copyfile(path, target.with_name(f"{target.name}.xz"))
        else:
            data = unpacked(path)
            large = pack and len(data) > PACKED_FROM
            target.with_name(f"{target.name}.xz" if large else target.name).write_bytes(lzma.compress(data) if large else data)
    shutil.rmtree(evidence, ignore_errors=True)
    draft.mkdir(parents=True, exist_ok=True)
    draft.rename(evidence)


def lanes_of(files: Files) -> list[str]:
    """Return the lanes that the records were made on, sorted."""
    return sorted({json.loads(unpacked(path))["lane"] for name, path in files.items() if name.endswith(".json") and "/" not in name})


def size_of(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def record(out: Path, recording: Path, label: Mapping[str, Any], scratch: Path) -> Taken:
    """Take what is better into recordings/NAME. Raises NotTaken, and changes nothing then."""
    scratch.mkdir(parents=True, exist_ok=True)
    old, new = files_of(recording / "evidence"), files_of(out / "evidence")
    if old and lanes_of(old) != lanes_of(new):
        raise NotTaken(f"The recording is of the lane {', '.join(lanes_of(old))}, the evidence of {', '.join(lanes_of(new)) or 'none'}.")
    taken = choose(old, new, lambda files: grade_here(files, scratch))
    chosen = scratch / "chosen"
    write(merged(old, new, taken), chosen, pack=True)
    if (size := size_of(chosen)) > MOST_BYTES:
        raise NotTaken(f"{size:,} bytes of evidence; {MOST_BYTES:,} may be.")
    before, after = points_of(recording / "evidence", scratch), points_of(chosen, scratch)
    if taken:
        shutil.rmtree(recording / "evidence")
        shutil.copytree(chosen, recording / "evidence")
        (recording / LABEL).write_text(json.dumps({**label, "records": sorted(taken)}, indent=1) + "\n")
    left = {record_of(name) for name in new} - taken
    return Taken(tuple(sorted(taken)), tuple(sorted(left)), before, after)
