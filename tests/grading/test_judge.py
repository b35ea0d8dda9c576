"""The judge: a verdict for everything, from a process that nothing can take down for long."""

import contextlib
import json
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import tinycourse
from tinycourse import Learner

from grading.forked import run_forked
from grading.judge import Judge
from grading.judge_server import answer
from grading.limits import CheckLimits
from grading.registry import BadRegistry, learner_line, load_checks

QUICK = CheckLimits(wall_seconds=0.3, cpu_seconds=1, reply_bytes=1000)


@pytest.fixture
def ann(tmp_path: Path) -> Learner:
    learner = Learner(tmp_path, "ann")
    learner.folder.mkdir(parents=True)
    return learner


def test_a_right_record_passes_and_a_missing_one_says_what_to_do(judge: Judge, ann: Learner) -> None:
    assert judge.judge(ann.folder, "ann", "demo-number", 2.0).seen == "demo-number.json: not there yet. Run the cell that makes it."
    ann.record("demo-fault", mode="fine")
    verdict = judge.judge(ann.folder, "ann", "demo-fault", 1.5)
    assert (verdict.state, verdict.points) == ("passed", 1.5)


def test_another_learners_record_fails(judge: Judge, ann: Learner) -> None:
    ann.record("demo-fault", mode="fine")
    verdict = judge.judge(ann.folder, "bob", "demo-fault", 1.0)
    assert verdict.state == "failed" and "recorded by 'ann'" in verdict.seen


@pytest.mark.parametrize("grade_id", ["demo-_unlisted", "demo-os", "demo-verdict_of", "os-system", "../x", "", "x" * 300, "demo-number\n"])
def test_a_grade_id_reaches_listed_checks_only(judge: Judge, ann: Learner, grade_id: str) -> None:
    assert judge.judge(ann.folder, "ann", grade_id, 1.0).state == "not judged"


@pytest.mark.parametrize("points", [float("nan"), float("inf"), -1.0])
def test_points_that_are_none_are_not_judged(judge: Judge, ann: Learner, points: float) -> None:
    assert judge.judge(ann.folder, "ann", "demo-fault", points).state == "not judged"


@pytest.mark.parametrize("mode", ["crash", "hang", "memory", "exit", "garbage", "no sandbox"])
def test_faults_of_the_grader_never_blame_the_learner(judge: Judge, ann: Learner, mode: str) -> None:
    ann.record("demo-fault", mode=mode)
    verdict = judge.judge(ann.folder, "ann", "demo-fault", 1.0)
    assert (verdict.state, verdict.points) == ("not judged", 0.0)
    assert "Nothing is asked of you" in verdict.next_step and "secret" not in verdict.seen
    assert judge.judge(ann.folder, "ann", "demo-number", 1.0).state == "failed"  # it still answers


def test_the_fault_is_in_the_log_for_the_instructor(judge: Judge, ann: Learner, caplog: pytest.LogCaptureFixture) -> None:
    ann.record("demo-fault", mode="crash")
    judge.judge(ann.folder, "ann", "demo-fault", 1.0)
    assert "secret-of-the-grader" in caplog.text


def test_a_dead_server_is_started_again(ann: Learner) -> None:
    with Judge("course_checks", [str(tinycourse.HERE)]) as judge:
        judge.judge(ann.folder, "ann", "demo-number", 1.0)
        server: Any = judge._server
        os.kill(server.pid, signal.SIGKILL)
        server.wait()
        assert judge.judge(ann.folder, "ann", "demo-number", 1.0).state == "failed"


def test_a_server_that_cannot_start_gives_not_judged(ann: Learner) -> None:
    with Judge("no_such_package") as judge:
        assert judge.judge(ann.folder, "ann", "demo-number", 1.0).state == "not judged"


def test_a_check_costs_milliseconds(judge: Judge, ann: Learner) -> None:
    ann.record("demo-fault", mode="fine")
    judge.judge(ann.folder, "ann", "demo-fault", 1.0)
    start = time.perf_counter()
    for _ in range(20):
        judge.judge(ann.folder, "ann", "demo-fault", 1.0)
    assert (time.perf_counter() - start) / 20 < 0.1  # ~5 ms on an idle machine


def test_a_request_that_is_no_request() -> None:
    for line in (b"", b"{", b"[]", b'{"folder": 1}', b'{"folder": "", "learner": "", "grade_id": "a-b", "points": 1, "more": 1}'):
        assert json.loads(answer(line, {}, QUICK))["verdict"]["state"] == "not judged"


def endless() -> bytes:
    while True:
        pass


def suicide() -> bytes:
    os.kill(os.getpid(), signal.SIGKILL)
    return b""


CHILDREN = {
    "ok": (lambda: b"yes", b"yes", ""),
    "time": (endless, b"", "time"),
    "size": (lambda: b"x" * 2000, b"", "size"),
    "signal": (suicide, b"", "killed by signal 9"),
    "exit": (lambda: os._exit(3), b"", "exit code 3"),
    "raises": (lambda: sys.exit(0), b"", "exit code 1"),
    "memory": (lambda: bytes(len(bytearray(4 << 30))), b"", "exit code 1"),
}


@pytest.mark.parametrize("name", CHILDREN)
def test_a_child_ends_in_every_way(name: str) -> None:
    work, reply, problem = CHILDREN[name]
    ended = run_forked(work, QUICK)
    assert (ended.reply, ended.problem) == (reply, problem)


def test_a_grandchild_is_ended_too() -> None:
    def leave_one_behind() -> bytes:
        child = os.fork()
        if child == 0:
            os.close(1)
            signal.pause()
        return str(child).encode()

    ended = run_forked(leave_one_behind, QUICK)
    assert ended.problem == "time"  # it kept the pipe open
    with contextlib.suppress(ProcessLookupError):
        assert select.select([os.pidfd_open(int(ended.reply))], [], [], 10)[0]  # readable once the process has ended


def test_the_registry_takes_a_modules_own_functions_only(monkeypatch: pytest.MonkeyPatch) -> None:
    import course_checks.demo as demo

    checks = load_checks("course_checks")
    assert set(checks) == {"demo-number", "demo-double", "demo-fault"}
    assert learner_line(checks["demo-number"]) == "You found your own number."
    monkeypatch.setattr(demo, "CHECKS", [os.system])
    with pytest.raises(BadRegistry):
        load_checks("course_checks")


def test_our_own_checks_load() -> None:
    assert all(learner_line(check) for check in load_checks().values())
