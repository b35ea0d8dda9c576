"""What a trace holds, whichever profiler recorded it. All times are integers in nanoseconds since the trace's own zero.

`process` is a number that tells processes of one trace apart (nsys: globalPid), `thread` one that tells threads apart over all
processes (nsys: globalTid). A device's work belongs to the host call with the same (process, correlation): a correlation number
alone is unique within one process only (Nsight Systems user guide, SQLite schema).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

WorkKind = Literal["kernel", "memcpy", "memset", "graph"]


class Work(NamedTuple):
    """One thing that a device did: a kernel, a copy, a memset, or a whole CUDA graph where the trace has no nodes of it.

    `name` is a kernel's demangled name, and for a copy its direction: HtoD, DtoH, DtoD, ... `size` is in bytes, 0 for kernels.
    `node` is not 0 for a node of a CUDA graph: its correlation is that of the graph's launch.
    """

    kind: WorkKind
    name: str
    start: int
    end: int
    stream: int
    process: int
    correlation: int
    size: int = 0
    node: int = 0


class Call(NamedTuple):
    """One call of the host into the CUDA runtime or driver."""

    name: str
    start: int
    end: int
    thread: int
    process: int
    correlation: int


class Range(NamedTuple):
    """A span that the program named itself: NVTX push/pop or start/end, or torch's record_function."""

    name: str
    start: int
    end: int
    thread: int
    process: int


class Op(NamedTuple):
    """One operator that torch dispatched on the host; operators nest."""

    name: str
    start: int
    end: int
    thread: int
    process: int


@dataclass(frozen=True)
class Device:
    """The GPU of a trace. `bandwidth` is that of its memory in bytes per second, 0 where the trace does not say."""

    name: str
    bandwidth: int = 0
    memory: int = 0  # bytes
    multiprocessors: int = 0


@dataclass(frozen=True)
class Trace:
    """A recorded stretch of a program, each kind of event sorted by start. `tool` names the profiler and its version."""

    tool: str
    device: Device | None
    work: tuple[Work, ...]
    calls: tuple[Call, ...]
    ranges: tuple[Range, ...]
    ops: tuple[Op, ...] = ()

    @cached_property
    def answers(self) -> dict[Any, Any]:
        """What was read off this trace so far (see labkit.trace.kept)."""
        return {}

    @cached_property
    def asked_by(self) -> dict[tuple[int, int], list[Work]]:
        """The work that each host call asked for, by (process, correlation)."""
        found: dict[tuple[int, int], list[Work]] = {}
        for work in self.work:
            found.setdefault((work.process, work.correlation), []).append(work)
        return found
