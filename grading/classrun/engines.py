"""Who asks the workers: threads of this process, or Ray. Both yield answers in the order of the questions, with few in flight."""

import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from grading.classrun.client import Worker, WorkerDied
from grading.classrun.packed import pack, unpack
from grading.classrun.worker import Question, Setup

Answered = tuple[Question, bytes | str]  # the answer, or why there is none
_TRIES = 2
_AHEAD = 4  # questions in flight per worker: enough to bridge a slow one, few enough to keep memory flat


class NoRay(Exception):
    """Ray is not installed, or no cluster answers. The text is written for the instructor."""


def in_processes(questions: Iterable[Question], setup: Setup, jobs: int) -> Iterator[Answered]:
    """Ask `jobs` worker processes of this machine."""
    workers = [Worker(setup) for _ in range(jobs)]
    idle: SimpleQueue[Worker] = SimpleQueue()
    for worker in workers:
        idle.put(worker)

    def ask(question: Question) -> bytes | str:
        worker = idle.get()
        try:
            return _asked(worker, question)
        finally:
            idle.put(worker)

    try:
        with ThreadPoolExecutor(jobs) as pool:
            yield from _in_order(questions, lambda question: pool.submit(ask, question), lambda future: future.result(), jobs * _AHEAD)
    finally:
        for worker in workers:
            worker.close()


def in_ray(questions: Iterable[Question], setup: Setup, address: str) -> Iterator[Answered]:
    """Ask workers on the nodes of a Ray cluster; `address` "" starts Ray on this machine. A submission travels as bytes. Raises NoRay.

    Ray starts a task again elsewhere when its node dies. It is no security boundary: a learner's code runs in bubblewrap inside the
    worker that the task starts, as everywhere.
    """
    try:
        import ray
    except ImportError:
        raise NoRay("Ray is not installed here. Expected the package ray. Run `pip install ray`, or leave out --engine ray.") from None
    try:
        ray.init(address=address or None, include_dashboard=False, log_to_driver=False, configure_logging=False)
    except ConnectionError as error:
        raise NoRay(f"No Ray cluster answers at {address}: {error}") from None
    names, told = list(setup.frame.sanitised), ray.put(setup.model_dump_json())
    task = ray.remote(num_cpus=1, max_retries=5)(_on_a_node)

    def take(reference: Any) -> bytes | str:
        try:
            return bytes(ray.get(reference))
        except ray.exceptions.RayError as error:
            return f"Ray could not grade it: {type(error).__name__}"

    ahead = max(2, int(ray.cluster_resources().get("CPU", 1)) * _AHEAD)
    try:
        yield from _in_order(questions, lambda one: task.remote(told, one.model_dump_json(), pack(Path(one.folder), names)), take, ahead)
    finally:
        ray.shutdown()


_workers: dict[str, Worker] = {}


def _on_a_node(setup: str, question: str, packed: bytes) -> bytes:
    """In a Ray task: grade with this process's warm worker. Raises what makes Ray try elsewhere."""
    folder = Path(tempfile.mkdtemp(prefix="day2-"))
    worker = _workers.setdefault(setup, Worker(Setup.model_validate_json(setup)))
    asked = Question.model_validate_json(question)
    try:
        unpack(packed, folder)
        said = _asked(worker, asked.model_copy(update={"folder": str(folder)}))
        return said if isinstance(said, bytes) else ('{"problem": "' + said.replace('"', "'") + '"}').encode()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _asked(worker: Worker, question: Question) -> bytes | str:
    why = ""
    for _ in range(_TRIES):
        try:
            return worker.ask(question)
        except WorkerDied as died:
            why = str(died)
    return f"the worker died {_TRIES} times: {why}"


def _in_order(
    questions: Iterable[Question], begin: Callable[[Question], Any], end: Callable[[Any], bytes | str], ahead: int
) -> Iterator[Answered]:
    flying: deque[tuple[Question, Any]] = deque()
    for question in questions:
        flying.append((question, begin(question)))
        if len(flying) >= ahead:
            first, future = flying.popleft()
            yield first, end(future)
    while flying:
        first, future = flying.popleft()
        yield first, end(future)
