"""Run a command and say what it and everything it started cost: wall time, CPU time and peak memory. Linux only.

CPU time is what the kernel charges for children that have ended. Processes that a command leaves behind (Ray's) become children of this one
(PR_SET_CHILD_SUBREAPER) and are waited for, so they are counted, too. Memory is sampled: the sum of PSS over the tree, in which a page that
five processes share counts once. What lives shorter than the samples are apart can be missed.
"""

import ctypes
import os
import resource
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_EVERY_SECONDS = 0.3
_PATIENCE_SECONDS = 15.0  # for what is left behind to end by itself


@dataclass(frozen=True)
class Cost:
    """`seconds` of wall time, `cpu` seconds of the whole tree, `own_cpu` seconds of the first process alone, peak memory in MB (10^6)."""

    seconds: float
    cpu: float
    own_cpu: float
    peak_mb: float
    processes: int
    exit_code: int
    said: str


@dataclass
class _Watch:
    """What the samples saw so far."""

    own_cpu: float = 0.0
    peak: int = 0
    processes: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def look(self, pid: int) -> None:
        """Sample until told to stop."""
        while not self.stop.wait(_EVERY_SECONDS):
            _reap_ended(but=pid)
            with suppress(psutil.Error):
                times = psutil.Process(pid).cpu_times()
                self.own_cpu = times.user + times.system
            tree = [process for process in psutil.Process().children(recursive=True) if _alive(process)]
            self.peak, self.processes = max(self.peak, sum(map(_pss, tree))), max(self.processes, len(tree))


def _alive(process: psutil.Process) -> bool:
    """Whether it still runs; what was left to this process and has ended waits until the command is over."""
    with suppress(psutil.Error):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False


def _pss(process: psutil.Process) -> int:
    with suppress(psutil.Error, OSError):
        return int(process.memory_full_info().pss)
    return 0


def measured(command: Sequence[str | Path], cwd: Path, seconds: float, environment: Mapping[str, str] | None = None) -> Cost:
    """Run a command to its end and return its cost; `said` is the end of its output. After `seconds` it is killed: exit code -9."""
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    watch, used, began = _Watch(), _children_cpu(), time.perf_counter()
    process = subprocess.Popen(
        [str(word) for word in command], cwd=cwd, env=os.environ | dict(environment or {}), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
    )  # fmt: skip
    looking = threading.Thread(target=watch.look, args=(process.pid,))
    looking.start()
    try:
        said, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        _end_all()
        said, _ = process.communicate()
    took = time.perf_counter() - began
    watch.stop.set()
    looking.join()
    _reap()
    return Cost(took, _children_cpu() - used, watch.own_cpu, watch.peak / 1e6, watch.processes, process.returncode, said[-4000:])


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _reap_ended(but: int) -> bool:
    """Wait for all children that have ended, which counts their CPU time, but not for one; returns whether none is left beside it.

    At once, because a class run leaves some thousand: to look through them all would cost more than the run.
    """
    with suppress(ChildProcessError):
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if ended.si_pid == but:
                return False
            os.waitpid(ended.si_pid, 0)
        return False
    return True


def _reap() -> None:
    """Wait for what the command left behind, and end what does not end."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while not _reap_ended(but=0):
        if time.monotonic() > until:
            _end_all()
        time.sleep(0.05)


def _end_all() -> None:
    for left in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            left.kill()
