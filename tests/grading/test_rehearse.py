"""The class that rehearsals and the bench grade: what was asked for, the same each time, and no shared file written through."""

import hashlib
import json
import random
import shutil
import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from grading.catalogue import load_catalogue
from grading.classrun.frame import config_of
from grading.judge import Judge
from grading.likeness import TABLE, alike, fingerprints, keep
from grading.registry import learner_line, load_checks
from grading.submission import Submission
from grading.submissions import judge_submission
from labkit.evidence import BadEvidence, Evidence
from labkit.messages import LearnerMessage
from tools.as_reference import LEARNER
from tools.rehearse import ROOT, hand_in, make_class, who_does_what, write_config
from tools.rehearse_base import write_base
from tools.rehearse_more import BY_NAME, KINDS


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course directory with a base; the published notebooks stand for nbgrader's release, which takes seconds to make."""
    root = tmp_path_factory.mktemp("rehearsal")
    (root / "release").mkdir()
    (root / "release" / "day2").symlink_to(ROOT / "notebooks")
    write_base(root / "base", ROOT / "source" / "day2", ROOT / "notebooks")
    return root


def content(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


def submit(course: Path, learner: str, kind: str, seed: int = 0) -> Path:
    return hand_in(course, learner, kind, random.Random(f"{seed}:{learner}"))


def test_fourteen_learners_are_of_the_kinds_asked_for() -> None:
    asked = ["full", "empty", "late", "half_done", "cut_record", "syntax_error", "extra_files"]
    made = who_does_what(14, kinds=asked)
    assert list(made) == [f"l{number:04}" for number in range(1, 15)]
    assert Counter(made.values()) == dict.fromkeys(asked, 2)


def test_a_thousand_have_the_shares_of_the_table() -> None:
    assert Counter(who_does_what(1000).values()) == {kind.name: 10 * kind.share for kind in KINDS}
    assert set(who_does_what(100).values()) == set(BY_NAME)


def test_another_seed_makes_another_class_of_the_same_kinds() -> None:
    assert who_does_what(30, seed=1) == who_does_what(30, seed=1) != who_does_what(30, seed=2)
    assert Counter(who_does_what(30, seed=1).values()) == Counter(who_does_what(30, seed=2).values())


def test_no_kind_writes_through_to_the_files_that_all_share(course: Path) -> None:
    before = content(course / "base"), content(ROOT / "notebooks")
    for kind in BY_NAME:
        for seed in range(3):
            submit(course, f"shared-{kind}-{seed}", kind, seed)
    assert (content(course / "base"), content(ROOT / "notebooks")) == before


def test_a_class_takes_the_room_of_what_was_changed_only(course: Path) -> None:
    folder = submit(course, "linked", "full")
    alone = [path.name for path in folder.rglob("*") if path.is_file() and path.stat().st_nlink == 1]
    assert alone == ["timestamp.txt"]


@pytest.mark.parametrize("kind", BY_NAME)
def test_a_submission_is_the_same_each_time_and_differs_from_a_full_one(course: Path, tmp_path: Path, kind: str) -> None:
    again = tmp_path / "again"
    again.mkdir()
    for name in ("base", "release"):
        (again / name).symlink_to(course / name)
    made = content(submit(course, f"one-{kind}", kind))
    assert made == content(submit(again, f"one-{kind}", kind))
    timestamp, base = made.pop("timestamp.txt"), content(course / "base")
    assert timestamp
    assert (made == base) == (kind in ("full", "late"))


def test_damage_is_damage(course: Path) -> None:
    for kind in ("cut_record", "nan_record"):
        folder = submit(course, f"damaged-{kind}", kind)
        evidence, bad = Evidence(folder / "evidence"), 0
        for record in evidence.ids():
            try:
                evidence.record(record)
            except BadEvidence:
                bad += 1
        assert bad == 1, kind


def test_half_a_course_has_no_evidence_of_the_other_half(course: Path) -> None:
    records = Submission(submit(course, "half", "half_done"), LEARNER).evidence.ids()
    assert any(name.startswith("start-") for name in records) and "quiz-evidence_path" in records
    assert not any(name.startswith(("exercises-", "profile-")) for name in records) and "quiz-slow_debug" not in records


def test_the_checks_as_reference_are_the_real_ones() -> None:
    real, renamed = load_checks(), load_checks("tools.as_reference")
    assert {name: learner_line(check) for name, check in renamed.items()} == {name: learner_line(check) for name, check in real.items()}


@pytest.mark.parametrize("kind", ["own_words", "copied"])
def test_full_evidence_earns_full_points_under_another_name(course: Path, kind: str) -> None:
    folder = submit(course, f"l0042-{kind}", kind)
    with Judge("tools.as_reference") as judge:
        judged = judge_submission(folder, f"l0042-{kind}", load_catalogue(), judge)
    assert [one.exercise.grade_id for one in judged if one.verdict.points != one.exercise.points] == []


def test_a_small_class_has_a_pair_that_likeness_finds(course: Path) -> None:
    made = who_does_what(30)
    store = sqlite3.connect(":memory:")
    store.executescript(TABLE)
    for learner, kind in made.items():
        keep(store, learner, fingerprints(submit(course, learner, kind), learner))
    (group,) = alike(store).groups
    assert {made[member.learner] for member in group.members} == {"copied"} and len(group.members) == 2


def test_a_copy_of_a_class_is_a_course_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "class").mkdir()
    write_config(tmp_path / "class")
    shutil.copytree(tmp_path / "class", tmp_path / "copy")
    for name in ("class", "copy"):
        found = config_of(tmp_path / name)
        assert found.CourseDirectory.root == str(tmp_path / name)
        assert found.GradeOutOfKernel.checks == "tools.as_reference" and found.CourseDirectory.course_id == "vllm-day2"


def test_an_earlier_class_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(LearnerMessage, match="not empty"):
        make_class(tmp_path, 3)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.real
def test_a_course_directory_that_nbgrader_can_use(tmp_path: Path) -> None:
    made = make_class(tmp_path / "course", 2, kinds=["full", "empty"])
    assert json.loads((tmp_path / "course/class.json").read_text())["learners"] == made
    assert len(list((tmp_path / "course/release/day2").glob("*.ipynb"))) == 7
    assert (tmp_path / "course/gradebook.db").is_file() and len(list((tmp_path / "course/submitted").iterdir())) == 2
