"""The process that speaks with a Ray cluster for a class run (started by grading/classrun/ray_engine.py).

It is one of its own because Ray ends or blocks the process that uses it when a cluster goes away, and the class run writes the gradebook.
"""

import os
import queue
import re
import signal
import sys
import threading
import time
from concurrent.futures import Future
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from grading.classrun.packed import TooLarge, pack
from grading.classrun.ray_node import Plain, Said, Told, task_of
from grading.forked import die_with

_LOOK = 5.0  # seconds between two looks at a silent cluster
_NO_NODE = 30.0  # seconds that a cluster may be without a processor: a node that starts again takes some ten
_DEAF = 60  # seconds that the head may take to say what there is
_TRIES = 5  # of Ray, when the node or the process of a task dies


class Order(NamedTuple):
    """What the class run wants: a cluster ("" for one on this machine), what all tasks are told, the notebooks of a submission.

    `seconds`: how long the cluster may be silent with something in flight.
    """

    address: str
    told: Told
    notebooks: list[str]
    seconds: float


class Message(NamedTuple):
    """What the class run hears.

    `kind`: "ready" (`number` processors), "alive" (still waiting), a kind of Said for question `number`, "gone" (no more answers will come,
    `data` says why), or "stopped" (nothing can be done, `data` says what to mend).
    """

    kind: str
    number: int = 0
    data: bytes | str = ""

    @property
    def text(self) -> str:
        """The data of a message that says why."""
        return self.data if isinstance(self.data, str) else ""


def main() -> None:
    """Serve the class run that started this process, until it says None or ends."""
    die_with(int(sys.argv[1]))
    line = Connection(int(sys.argv[2]))
    try:
        line.send(_served(line, line.recv()))
    except (EOFError, OSError):
        pass  # the class run has ended
    except Exception as fault:  # Ray's own: whatever it is, the instructor gets a sentence
        line.send(Message("gone", data=f"Ray stopped with {_in_words(fault)}"))
    os._exit(0)  # Ray's threads may wait for a cluster that is gone


def _served(line: Connection, order: Order) -> Message:
    import ray

    try:
        ray.init(address=order.address or "local", include_dashboard=False, log_to_driver=False, configure_logging=False)
    except Exception as fault:  # ConnectionError, ValueError, RuntimeError, and what a node's files make of it
        return Message("stopped", data=f"{order.address or 'This machine'}: Ray does not start: {_in_words(fault)}")
    processors = _processors()
    if not processors:
        return Message(
            "stopped", data=f"{order.address}: no node of this cluster has a processor for tasks. Expected `--num-cpus` above 0 on one"
        )
    line.send(Message("ready", processors))
    task: Any = ray.remote(num_cpus=1, max_retries=_TRIES)(task_of(order.told))
    ended = Flight(line, task, order).go()
    ray.shutdown()
    return ended


def _processors() -> int:
    import ray

    signal.alarm(_DEAF)  # ends this process: Ray may wait for a head that is gone, for ever and deep inside
    try:
        return int(ray.cluster_resources().get("CPU", 0))
    finally:
        signal.alarm(0)


class Flight:
    """Questions in flight: one thread reads and begins them, this one sends what comes back.

    `task`: Ray's remote function.
    """

    def __init__(self, line: Connection, task: Any, order: Order) -> None:
        self._line, self._task, self._order = line, task, order
        self._back: queue.SimpleQueue[tuple[int, Future[Said]] | None] = queue.SimpleQueue()
        self._flying: dict[int, Future[Said]] = {}
        self._all_read = False

    def go(self) -> Message:
        """Send every answer as it comes, and return the last message."""
        threading.Thread(target=self._read, daemon=True).start()
        heard = alive = time.monotonic()
        while self._flying or not self._all_read:
            try:
                back = self._back.get(timeout=_LOOK)
            except queue.Empty:
                alive = time.monotonic() if _processors() else alive
                if why := self._hopeless(heard, alive):
                    return Message("gone", data=why)
                self._line.send(Message("alive"))
                continue
            heard = alive = time.monotonic()
            if back:
                self._send(*back)
        return Message("gone")

    def _hopeless(self, heard: float, alive: float) -> str:
        now = time.monotonic()
        if now - alive > _NO_NODE:
            return f"no node of the Ray cluster had a processor for {_NO_NODE:.0f} s"
        if self._flying and now - heard > self._order.seconds:
            return f"no node of the Ray cluster answered for {self._order.seconds:.0f} s"
        return ""

    def _read(self) -> None:
        """Begin what the class run asks, until it says None."""
        try:
            while (asked := self._line.recv()) is not None:
                self._begin(*asked)
        except EOFError:
            os._exit(0)
        self._all_read = True
        self._back.put(None)

    def _begin(self, number: int, folder: str, question: str) -> None:
        try:
            future: Future[Said] = self._task.remote(question, self._packed(Path(folder))).future()
        except Exception as fault:  # too large, not to be read, or Ray's own: it is told as the outcome of this one
            future = Future()
            future.set_exception(fault)
        self._flying[number] = future
        future.add_done_callback(partial(self._landed, number))

    def _packed(self, folder: Path) -> list[Plain]:
        return [(*one,) for one in pack(folder, self._order.notebooks)]

    def _landed(self, number: int, future: "Future[Said]") -> None:
        self._back.put((number, future))

    def _send(self, number: int, future: "Future[Said]") -> None:
        del self._flying[number]
        kind, data = _said(future)
        self._line.send(Message(kind, number, data))


def _said(future: "Future[Said]") -> Said:
    from ray.exceptions import RayTaskError

    try:
        return future.result()
    except RayTaskError as fault:  # a traceback; grade_here raises nothing because of a submission
        where = re.search(r"\bip=([^,)\s]+)", str(fault))  # Ray has the address in the text alone
        return "refused", (
            f"Node {where[1] if where else '?'} cannot grade: {_lines(fault)[-1]}. Expected the same checkout and the same lock on every "
            "node, and `ray start` from that environment. Mend it, and run the same command again: it goes on."
        )
    except TooLarge as large:
        return "problem", str(large)
    except Exception as fault:
        return "problem", f"Ray could not grade it: {_in_words(fault)}"


def _in_words(fault: BaseException) -> str:
    return f"{type(fault).__name__}: {_lines(fault)[0]}"


def _lines(fault: BaseException) -> list[str]:
    return [line.strip() for line in str(fault).splitlines() if line.strip()] or ["no reason given"]
