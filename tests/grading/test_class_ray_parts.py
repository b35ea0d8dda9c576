"""The parts of the Ray engine without a cluster: what travels, what is refused, the order of answers, and when waiting ends."""

import importlib.util
import os
import socket
from collections.abc import Iterator
from concurrent.futures import Future
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import pytest

from grading.classrun import packed, ray_driver, ray_engine
from grading.classrun.digests import MAX_BYTES, submission_digest
from grading.classrun.frame import Frame
from grading.classrun.ray_driver import Flight, Message, Order
from grading.classrun.ray_node import Told
from grading.classrun.same_grader import differences, grader_here
from grading.classrun.worker import Question, Setup
from labkit.evidence import BadEvidence, read_bounded

SETUP = Setup(frame=Frame(assignment="tiny", released={}, sanitised={"01_demo": "{}"}), checks="grading.checks")


@pytest.fixture
def strange(tmp_path: Path) -> Path:
    """A submission with everything that is refused in words of its own."""
    folder = tmp_path / "submitted"
    (folder / "evidence" / "inner").mkdir(parents=True)
    (folder / "01_demo.ipynb").mkdir()
    (folder / "evidence" / "a.json").write_bytes(b"{}")
    (folder / "evidence" / "inner" / "snow \N{SNOWMAN}\n.txt").write_bytes(b"\x00\xff")
    (folder / "evidence" / os.fsdecode(b"no text \xff")).write_bytes(b"x")
    (folder / "evidence" / "link.json").symlink_to("/etc/passwd")
    (folder / "evidence" / "inner" / "up").symlink_to("..")
    os.mkfifo(folder / "timestamp.txt")
    (folder / "evidence" / "large.bin").touch()
    os.truncate(folder / "evidence" / "large.bin", MAX_BYTES + 1)
    (folder / "not-asked-for").write_bytes(b"x")
    return folder


def reads_as(folder: Path, name: str) -> bytes | str:
    try:
        return read_bounded(folder, name, 1000)
    except BadEvidence as bad:
        return str(bad)


def test_what_travelled_is_read_and_refused_as_at_home(strange: Path) -> None:
    with packed.unpacked(packed.pack(strange, ["01_demo"])) as there:
        names = [str(path.relative_to(strange)) for path in strange.rglob("*") if path.name != "not-asked-for"]
        assert len(names) == 10
        assert [reads_as(there, name) for name in names] == [reads_as(strange, name) for name in names]
        assert submission_digest(there, ["01_demo"]) == submission_digest(strange, ["01_demo"])
        assert not (there / "not-asked-for").exists()
    assert not there.exists()


def test_an_evidence_folder_that_is_a_link_or_a_file_stays_one(tmp_path: Path) -> None:
    for number, make in enumerate([lambda path: path.symlink_to("/etc"), lambda path: path.write_bytes(b"x")]):
        folder = tmp_path / str(number)
        folder.mkdir()
        make(folder / "evidence")
        with packed.unpacked(packed.pack(folder, [])) as there:
            assert reads_as(there, "evidence/passwd") == reads_as(folder, "evidence/passwd")


def test_a_submission_that_would_fill_memory_does_not_travel(strange: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "MAX_TOTAL", 3)
    with pytest.raises(packed.TooLarge, match="too large to travel"):
        packed.pack(strange, ["01_demo"])


def test_what_a_killed_process_left_on_a_node_is_removed_and_what_is_in_use_is_not(strange: Path) -> None:
    with packed.unpacked([]) as in_use:
        left = in_use.parent / "left-by-a-killed-process"
        left.mkdir()
        with packed.unpacked([]):
            assert in_use.exists() and not left.exists()


def test_a_grader_is_known_by_its_versions_and_code(tmp_path: Path) -> None:
    (tmp_path / "other_checks").mkdir()
    (tmp_path / "other_checks" / "__init__.py").write_text("")
    here = grader_here("other_checks", [str(tmp_path)])
    assert differences(here, grader_here("other_checks", [str(tmp_path)])) == ""
    assert differences(here, here | {"nbgrader": "0.9.5"}) == f"nbgrader: 0.9.5 there, {here['nbgrader']} here"
    assert differences(here, grader_here("other_checks")).startswith("the code of the grader: no such checks there")


class Echo:
    """A driver whose cluster answers the newest question first, and counts what is on its way."""

    def __init__(self, ends_after: int = 10**9) -> None:
        self.ends_after = ends_after
        self.asked: list[int] = []
        self.most = 0

    def ask(self, number: int, question: Question) -> None:
        self.asked.append(number)
        self.most = max(self.most, len(self.asked))

    def hear(self, seconds: float) -> Message:
        self.ends_after -= 1
        return Message("answer", number := self.asked.pop(), b"%d" % number) if self.ends_after >= 0 else Message("gone", data="no head")


def questions(count: int) -> Iterator[Question]:
    return (Question(folder=f"/f/{number}", learner=f"l{number}") for number in range(count))


def answered(driver: Any, count: int) -> list[bytes | str]:
    said = list(ray_engine._Flight(driver, 3).answers(questions(count)))
    assert [question.learner for question, _ in said] == [f"l{number}" for number in range(count)]
    return [answer for _, answer in said]


def test_answers_keep_the_order_of_the_questions_and_few_are_on_their_way() -> None:
    driver = Echo()
    assert answered(driver, 2000) == [b"%d" % number for number in range(2000)]
    assert driver.most == 3 * ray_engine._PER_PROCESSOR


def test_a_slow_one_holds_up_only_so_many_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_engine, "_EARLY", 10)
    driver = Echo()
    flight = ray_engine._Flight(driver, 3)  # type: ignore[arg-type]
    held: list[int] = []
    take = flight._take
    monkeypatch.setattr(flight, "_take", lambda said: (take(said), held.append(len(flight._early))))
    assert len(list(flight.answers(questions(500)))) == 500
    assert max(held) <= 10 + 3 * ray_engine._PER_PROCESSOR


def test_when_the_cluster_is_gone_the_rest_has_the_reason() -> None:
    said = answered(Echo(ends_after=5), 20)
    assert sum(isinstance(one, bytes) for one in said) <= 5
    assert {one for one in said if isinstance(one, str)} == {
        "the Ray cluster went away: no head. The same command goes on with another, or with --engine local"
    }


ORDER = Order("", Told("{}", ()), ["01_demo"], seconds=0.2)


class Silent:
    """A task that never comes back."""

    def remote(self, *asked: Any) -> "Silent":
        return self

    def future(self) -> "Future[Any]":
        return Future()


@pytest.mark.parametrize(("processors", "said"), [(0, "had a processor"), (4, "answered for")])
def test_waiting_for_nodes_ends(monkeypatch: pytest.MonkeyPatch, processors: int, said: str) -> None:
    monkeypatch.setattr(ray_driver, "_LOOK", 0.01)
    monkeypatch.setattr(ray_driver, "_NO_NODE", 0.05)
    monkeypatch.setattr(ray_driver, "_processors", lambda: processors)
    ours, theirs = Pipe()
    ours.send((0, "/nowhere", "{}"))
    ended = Flight(theirs, Silent(), ORDER).go()
    assert ended.kind == "gone" and said in ended.text
    assert ours.recv() == Message("alive")
    ours.send(None)


def test_one_that_is_too_large_to_travel_has_its_reason(strange: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "MAX_TOTAL", 3)
    ours, theirs = Pipe()
    ours.send((5, str(strange), "{}"))
    ours.send(None)
    assert Flight(theirs, Silent(), ORDER).go() == Message("gone")
    said = ours.recv()
    assert (said.kind, said.number) == ("problem", 5) and "too large to travel" in said.text


@pytest.mark.parametrize(("address", "said"), [
    ("nonsense", "not an address of a Ray cluster. Expected HOST:PORT"),
    ("ray://127.0.0.1:10001x", "not an address of a Ray cluster"),
    ("127.0.0.1:99999", "no Ray cluster answers"),
])  # fmt: skip
def test_an_address_where_no_cluster_is_gets_a_sentence(monkeypatch: pytest.MonkeyPatch, address: str, said: str) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    with pytest.raises(ray_engine.NoRay, match=said):
        next(ray_engine.in_ray(questions(1), SETUP, address))


def test_a_port_where_nobody_listens_gets_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(ray_engine.NoRay, match="no Ray cluster answers .*refused"):
            next(ray_engine.in_ray(questions(1), SETUP, address))


def test_without_ray_the_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ray_engine.NoRay, match="Ray is not installed here"):
        next(ray_engine.in_ray(questions(1), SETUP, ""))
    assert list(ray_engine.in_ray(questions(0), SETUP, "")) == []
