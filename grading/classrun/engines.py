"""Who asks the workers: threads of this process, or Ray. Both yield answers in the order of the questions, with few in flight."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue

from grading.classrun.answering import Answered, asked
from grading.classrun.client import Worker
from grading.classrun.ray_engine import NoRay, in_ray
from grading.classrun.worker import Question, Setup

__all__ = ["Answered", "NoRay", "in_processes", "in_ray"]
_AHEAD = 4  # questions in flight per worker: enough to bridge a slow one, few enough to keep memory flat


def in_processes(questions: Iterable[Question], setup: Setup, jobs: int) -> Iterator[Answered]:
    """Ask `jobs` worker processes of this machine."""
    workers = [Worker(setup) for _ in range(jobs)]
    idle: SimpleQueue[Worker] = SimpleQueue()
    for worker in workers:
        idle.put(worker)

    def ask(question: Question) -> bytes | str:
        worker = idle.get()
        try:
            return asked(worker, question)
        finally:
            idle.put(worker)

    try:
        with ThreadPoolExecutor(jobs) as pool:
            yield from _in_order(questions, lambda question: pool.submit(ask, question), jobs * _AHEAD)
    finally:
        for worker in workers:
            worker.close()


def _in_order(questions: Iterable[Question], begin: Callable[[Question], "Future[bytes | str]"], ahead: int) -> Iterator[Answered]:
    flying: deque[tuple[Question, Future[bytes | str]]] = deque()
    for question in questions:
        flying.append((question, begin(question)))
        if len(flying) >= ahead:
            first, future = flying.popleft()
            yield first, future.result()
    while flying:
        first, future = flying.popleft()
        yield first, future.result()
