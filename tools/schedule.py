"""Which solved notebooks run side by side. Most of a lesson is one busy core (a compiler, an import, a debugger), so on two cores two of
them take little longer than one. What needs what is data; a learner's notebooks know nothing of it.
"""

import json
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import psutil
from traitlets.config import Config

from labkit.lane import LaneName

# lesson: (the lesson that it follows, the record by which that one is done with what both need). The two use one source tree and one
# build folder of an overlay; lesson 02 edits, rebuilds and runs it until it has recorded the edit, and leaves it alone from then on.
AFTER: Mapping[str, tuple[str, str]] = {"03_debuggers": ("02_source_build", "build-edit")}
# It measures, so it begins when no other lesson waits any more, and its second half mostly has the machine to itself. No check depends on that.
LAST = "06_exercises"
GIB_EACH = 6.0  # of memory: an engine in three processes with its KV cache, or two compilers of 2 GiB
TICK_SECONDS = 0.5
# For papermill: encrypt what goes to kernels where they can. On a shared machine others could listen, and each kernel warns of that
KERNELS = Config(KernelManager={"transport_encryption": "auto"})
BEAT_SECONDS = 20.0  # between two lines on how far the notebooks are

T = TypeVar("T")


def places(lane: LaneName, asked: int = 0) -> int:
    """Return how many notebooks may run at once: what cores and free memory allow, or what was asked for. On the cuda lane they share a
    GPU, whose memory an engine takes for itself: one."""
    if asked or lane == "cuda":
        return asked or 1
    return max(1, min(len(os.sched_getaffinity(0)), int(psutil.virtual_memory().available / 2**30 // GIB_EACH)))


def next_to_start(waiting: Sequence[str], running: Collection[str], recorded: Callable[[str], bool], at_once: int) -> str | None:
    """Return the lesson to start now, None as long as nothing may be started."""
    if len(running) >= at_once:
        return None
    unfinished = {*waiting, *running}
    ready = (name for name in waiting if (name != LAST or len(waiting) == 1) and _may_start(name, unfinished, recorded))
    return next(ready, None)


def _may_start(name: str, unfinished: Collection[str], recorded: Callable[[str], bool]) -> bool:
    """A lesson that another one follows may fail before it writes the record: once it is over, nobody waits for it."""
    if name not in AFTER:
        return True
    before, record = AFTER[name]
    return before not in unfinished or recorded(record)


def run_all(
    names: Sequence[str], work: Callable[[str], T], *, recorded: Callable[[str], bool], at_once: int,
    begins: Callable[[str], object], ended: Callable[[T], object], beat: Callable[[Sequence[str]], object],
) -> list[T]:  # fmt: skip
    """Do `work` for each lesson, each in a process of its own, at most `at_once` at a time, and return the results in the order of the names.

    `begins`, `ended` and `beat` (with what runs, now and then) are for telling. What `work` raises is raised.
    """
    waiting, running, results = list(names), dict[Future[T], str](), dict[str, T]()
    told = time.monotonic()
    # processes, because papermill changes the working directory; forked, because that needs no second import of it
    with ProcessPoolExecutor(at_once, mp_context=get_context("fork")) as pool:
        while waiting or running:
            while name := next_to_start(waiting, list(running.values()), recorded, at_once):
                waiting.remove(name)
                begins(name)
                running[pool.submit(work, name)] = name
            for future in wait(running, TICK_SECONDS, FIRST_COMPLETED).done:
                results[running.pop(future)] = future.result()
                ended(future.result())
            if time.monotonic() - told >= BEAT_SECONDS:
                told = time.monotonic()
                beat(list(running.values()))
    return [results[name] for name in names]


def cells_done(executed: Path) -> str:
    """Return "12 of 40" for the notebook that papermill is writing, "" while it cannot be read."""
    try:
        cells = json.loads(executed.read_text())["cells"]
        states = [cell["metadata"].get("papermill", {}).get("status") for cell in cells]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # not there yet, or being written
        return ""
    return f"{states.count('completed')} of {len(states)}"
