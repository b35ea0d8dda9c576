"""The Ray engine on a real cluster of several nodes: the outcome of the local engine, also when nodes, workers or the run itself are killed."""

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from test_same_as_nbgrader import files, rows
from tinycourse import ASSIGNMENT, HERE, Learner

pytest.importorskip("ray", reason="ray is in requirements/dev.in; make setup installs it")
pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]
REPOSITORY = HERE.parents[1]
PATIENCE = 120  # seconds for one run
LEARNERS = 24
RUNS: list["subprocess.Popen[str]"] = []


class Cluster:
    """A head that grades nothing, and nodes with one processor each, which come and go."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster as Nodes

        # the head looks after its nodes every 0.2 s instead of every 3, so that a dead one is noticed within two seconds
        often = {"health_check_initial_delay_ms": 500, "health_check_period_ms": 200, "health_check_timeout_ms": 2000}
        head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": 100 * 2**20, "_system_config": often}
        self._nodes = Nodes(initialize_head=True, head_node_args=head)
        self.address = str(self._nodes.address)
        self.nodes: list[Any] = []

    def grow(self, count: int, **environment: str) -> None:
        """See that there are `count` nodes beside the head."""
        while len(self.nodes) < count:
            self.nodes.append(self._nodes.add_node(num_cpus=1, object_store_memory=100 * 2**20, env_vars=environment))
        self._nodes.wait_for_nodes()

    def kill(self, number: int) -> None:
        """End a node as a power cut does: all of Ray's processes at once. Those of the grader must see for themselves that they are alone."""
        node = self.nodes.pop(number)
        processes = set(processes_of(node))
        alone = below(processes & set(graders()))
        kill(processes - alone)
        assert gone(alone)
        self._nodes.remove_node(node, allow_graceful=False)

    def everything(self) -> list[Any]:
        """Return the head and the nodes."""
        return [self._nodes.head_node, *self.nodes]

    def close(self) -> None:
        """End everything."""
        self._nodes.shutdown()


def processes_of(node: Any) -> set[psutil.Process]:
    """Return a node's own processes and all that they started."""
    return below({psutil.Process(one.process.pid) for kind in node.all_processes.values() for one in kind})


def below(processes: set[psutil.Process]) -> set[psutil.Process]:
    """Return processes and all that they started and that is still there."""
    found = set(processes)
    for one in processes:
        with suppress(psutil.NoSuchProcess):
            found |= set(one.children(recursive=True))
    return found


def kill(processes: set[psutil.Process]) -> None:
    for one in processes:
        with suppress(psutil.NoSuchProcess):
            one.kill()


def gone(processes: set[psutil.Process]) -> bool:
    return not psutil.wait_procs(processes, timeout=30)[1]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def no_run_is_left() -> Iterator[None]:
    yield
    while RUNS:
        RUNS.pop().kill()


@pytest.fixture
def root(course: Any) -> Path:
    return hand_in(Path(course.root))


def hand_in(root: Path) -> Path:
    for number in range(LEARNERS):
        learner = Learner(root, f"l{number:02}")
        learner.wrong() if number % 5 == 4 else learner.good()
    return root


def command(root: Path, *more: str) -> list[str]:
    checks = ("--checks", "course_checks", "--path", str(HERE))
    return [sys.executable, "-m", "grading", "class", "--course-dir", str(root), "--assignment", ASSIGNMENT, *checks, *more]


def begin(root: Path, *more: str, **environment: str) -> "subprocess.Popen[str]":
    RUNS.append(run := subprocess.Popen(
        command(root, *more), cwd=REPOSITORY, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ))  # fmt: skip
    return run


def finish(run: "subprocess.Popen[str]", code: int = 0) -> str:
    out, err = run.communicate(timeout=PATIENCE)
    assert run.returncode == code, out + err
    assert "Traceback" not in out + err
    return out + err


def grade(root: Path, *more: str, code: int = 0) -> dict[str, Any]:
    finish(begin(root, *more), code)
    return json.loads((root / f"{ASSIGNMENT}.class.json").read_text())


def on(cluster: Cluster) -> tuple[str, ...]:
    return ("--engine", "ray", "--address", cluster.address)


def when(run: "subprocess.Popen[str]", happened: Callable[[], bool]) -> bool:
    """Wait until something has happened in a run; False when the run ended before."""
    while not happened():
        try:
            run.wait(0.02)
            return happened()
        except subprocess.TimeoutExpired:
            continue
    return True


def graded(root: Path) -> int:
    return len(list((root / "autograded").glob("[!.]*")))


def graders() -> list[psutil.Process]:
    """Return the warm workers and drivers of class runs on this machine, of this user, on this checkout."""
    mine = []
    for one in psutil.process_iter(["cmdline"]):
        if any("from grading.classrun." in word for word in one.info["cmdline"] or ()) and str(REPOSITORY) in one.info["cmdline"]:
            mine.append(one)
    return mine


@pytest.fixture(scope="module")
def expected(generated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same class, graded by the local engine."""
    root = tmp_path_factory.mktemp("local") / "course"
    shutil.copytree(generated, root)
    grade(hand_in(root), "--jobs", "2")
    return root


def same(root: Path, expected: Path) -> None:
    assert files(root) == files(expected)
    assert rows(root) == rows(expected)
    with sqlite3.connect(root / "gradebook.db") as book:
        assert book.execute("select count(*), count(distinct notebook_id || cell_id) from grade").fetchone() == (3 * LEARNERS, 3 * LEARNERS)


def test_the_outcome_is_that_of_the_local_engine_and_a_second_run_grades_nothing(root: Path, expected: Path, cluster: Cluster) -> None:
    cluster.grow(2)
    before = {one.pid for one in graders()}
    assert grade(root, *on(cluster))["graded"] == LEARNERS
    same(root, expected)
    assert grade(root, *on(cluster))["skipped"] == LEARNERS
    assert gone({one for one in graders() if one.pid not in before})


@pytest.mark.parametrize("what", ["node", "workers"])
def test_a_node_or_its_workers_killed_cost_no_submission_and_double_none(root: Path, expected: Path, cluster: Cluster, what: str) -> None:
    chance = random.Random()  # another moment and another node each time; the outcome must not depend on them
    cluster.grow(2)
    after, number = chance.randrange(1, LEARNERS // 2), chance.randrange(2)
    run = begin(root, *on(cluster))
    assert when(run, lambda: graded(root) >= after), (after, number)
    if what == "node":
        cluster.kill(number)
    else:
        kill_workers(cluster)
    finish(run)
    same(root, expected)


def kill_workers(cluster: Cluster) -> None:
    """End the processes in which Ray runs tasks, on all nodes at once."""
    warm = {one for node in cluster.nodes for one in processes_of(node) if one in graders()}
    alone = below(warm)
    workers = {parent for one in warm if (parent := parent_of(one)) and parent not in alone}
    assert workers
    kill(workers)
    assert gone(alone)


def name_of(process: psutil.Process) -> str:
    with suppress(psutil.NoSuchProcess):
        return process.name()
    return ""


def parent_of(process: psutil.Process) -> psutil.Process | None:
    with suppress(psutil.NoSuchProcess):
        return process.parent()
    return None


def test_a_run_that_was_killed_goes_on_and_leaves_no_process(root: Path, expected: Path, cluster: Cluster) -> None:
    cluster.grow(2)
    run = begin(root, *on(cluster))
    assert when(run, lambda: graded(root) >= 3)
    mine = below(below({psutil.Process(run.pid)}) | set(graders())) - {psutil.Process(run.pid)}
    run.send_signal(signal.SIGKILL)
    assert gone(mine)
    again = grade(root, *on(cluster))
    assert again["skipped"] >= 2 and again["skipped"] + again["graded"] == LEARNERS
    same(root, expected)


def test_ray_on_this_machine_alone_ends_with_the_run_that_started_it(root: Path) -> None:
    run = begin(root, "--engine", "ray")
    assert when(run, lambda: graded(root) >= 2)
    mine = below({psutil.Process(run.pid)})
    assert any(name_of(one) == "raylet" for one in mine)
    agents = {
        one for one in mine if name_of(one).startswith(("ray::Dashboard", "ray::RuntimeEnv"))
    }  # Ray's own; they look for their dead head for a minute before they end
    run.send_signal(signal.SIGKILL)
    assert gone(mine - agents - {psutil.Process(run.pid)})


@pytest.mark.parametrize(("file", "text", "said"), [
    ("grading/verdict.py", "\n# another version\n", "has another grader than this machine (the code of the grader: "),
    ("labkit/__init__.py", "\nraise ImportError('no such thing')\n", " cannot grade: ImportError: no such thing. "),
])  # fmt: skip
def test_a_node_with_another_grader_or_none_is_refused(
    root: Path, expected: Path, cluster: Cluster, tmp_path: Path, file: str, text: str, said: str
) -> None:
    for package in ("grading", "labkit"):
        shutil.copytree(REPOSITORY / package, tmp_path / "other" / package, ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "other" / file).open("a") as changed:
        changed.write(text)
    while cluster.nodes:
        cluster.kill(0)
    cluster.grow(1, PYTHONPATH=str(tmp_path / "other"))
    told = finish(begin(root, *on(cluster)), code=2)
    assert said in told and "Expected the same checkout" in told
    assert graded(root) == 0
    cluster.kill(0)


def test_a_cluster_that_goes_away_leaves_a_reason_for_each_and_the_next_run_goes_on(root: Path, expected: Path) -> None:
    lost = Cluster()
    lost.grow(1)
    # Ray gives a head that is gone a minute to come back; a cluster with a spare head may need it, this test does not
    run = begin(root, *on(lost), RAY_gcs_rpc_server_reconnect_timeout_s="3")
    assert when(run, lambda: graded(root) >= 3)
    kill({one for node in lost.everything() for one in processes_of(node)})
    finish(run, code=1)
    why = json.loads((root / f"{ASSIGNMENT}.class.json").read_text())["not_graded"]
    assert len(why) == LEARNERS - graded(root) > 0 and all("the Ray cluster went away" in one for one in why.values())
    lost.close()
    again = grade(root, "--jobs", "2")
    assert again["skipped"] == LEARNERS - len(why) and again["graded"] == len(why)
    same(root, expected)
