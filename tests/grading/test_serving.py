"""A forked child that answers several questions, and what becomes of the class run's questions when it fails."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from grading.classrun import worker
from grading.classrun.client import problem_of
from grading.classrun.frame import Frame
from grading.forked import Serving
from grading.limits import MIB, CheckLimits

LIMITS = CheckLimits(cpu_seconds=10, wall_seconds=2.0, memory_bytes=4096 * MIB, reply_bytes=1 * MIB)


def answer(question: bytes) -> bytes:
    """What the child does with a question; some are nasty."""
    what, _, rest = question.partition(b" ")
    if what == b"die":
        os._exit(3)
    if what == b"raise":
        raise ValueError("a fault")
    if what == b"hang":
        signal.pause()
    if what == b"much":
        return b"x" * (2 * MIB)
    if what == b"grow":
        _kept.append(bytes(64 * MIB))
    return f"{os.getpid()} ".encode() + rest


_kept: list[bytes] = []


@pytest.fixture
def child() -> Iterator[Serving]:
    serving = Serving(answer, LIMITS)
    yield serving
    serving.close()


def test_one_child_answers_all_in_order_whatever_their_size(child: Serving) -> None:
    texts = [b"", b"a", b"\n\x00\xff" * 100_000, b"last"]
    answers = [child.ask(b"say " + text) for text in texts]

    assert [ended.problem for ended in answers] == [""] * 4
    assert [ended.reply.partition(b" ")[2] for ended in answers] == texts
    assert len({ended.reply.partition(b" ")[0] for ended in answers}) == 1
    assert int(answers[0].reply.split()[0]) != os.getpid()


@pytest.mark.parametrize(("question", "problem"), [(b"die", "it ended"), (b"raise", "it ended"), (b"much", "size")])
def test_a_child_that_breaks_says_so_and_is_of_no_use_any_more(child: Serving, question: bytes, problem: str) -> None:
    assert child.ask(b"say hello").problem == ""
    ended = child.ask(question)

    assert (ended.reply, ended.problem) == (b"", problem)
    if problem == "it ended":
        assert child.ask(b"say hello").problem == "it ended"


def test_a_child_that_hangs_is_given_up_in_time_and_ended() -> None:
    quick = Serving(answer, CheckLimits(wall_seconds=0.2, reply_bytes=1 * MIB))
    pid = int(quick.ask(b"say x").reply.split()[0])
    began = time.monotonic()

    assert quick.ask(b"hang").problem == "time"
    quick.close()
    assert time.monotonic() - began < 2
    assert not psutil.pid_exists(pid)


def test_a_child_tells_what_it_has_grown_by(child: Serving) -> None:
    child.ask(b"say x")
    before = child.grown()
    child.ask(b"grow")

    assert child.grown() - before >= 64 * MIB
    assert before < 16 * MIB


def test_an_empty_answer_comes_at_once() -> None:
    serving = Serving(lambda _: b"", LIMITS)
    began = time.monotonic()

    assert (serving.ask(b"x").reply, serving.ask(b"y").problem) == (b"", "")
    assert time.monotonic() - began < 1
    serving.close()


def test_children_leave_no_descriptor_behind() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        serving = Serving(answer, LIMITS)
        serving.ask(b"say x")
        serving.close()

    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_submission_that_needs_more_memory_says_which_option_to_raise(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(worker, "grade", full)
    setup = worker.Setup(frame=Frame(assignment="tiny", released={}, sanitised={}), checks="none", memory_mib=4096)
    said = worker.Answering(setup, {}).answer(worker.Question(folder="/nowhere", learner="ann").model_dump_json().encode())

    assert problem_of(said) == "it needs more than --memory 4096 MiB: run again with more"
    assert capfd.readouterr().err == "", "the instructor's terminal shows no traceback without a name"
