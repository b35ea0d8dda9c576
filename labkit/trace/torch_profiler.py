"""Reads what torch.profiler, and so vLLM's profiler "torch", wrote: a Chrome trace with or without work of a GPU.

Its times are microseconds with three decimals: they are read as decimal numbers, so no nanosecond is lost. What runs on the GPU carries the
correlation of its launch but no process: it is counted as that of the call with this correlation, or of the only process there is.
Annotations drawn on the GPU's time line (gpu_user_annotation), Python functions and waits shown beside a stream (cuda_sync) are left out.
"""

import os
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from labkit.trace.bounds import MAX_EVENTS, MAX_TIME, UNNAMED, WORD, Names, Progress, by_start, ignore, outer_first
from labkit.trace.errors import BadTrace
from labkit.trace.json_stream import JsonStream
from labkit.trace.model import Call, Device, Op, Range, Trace, Work, WorkKind

LONGEST = MAX_TIME // 1000  # microseconds
FEWER = "Record fewer steps."
WORK: dict[str, WorkKind] = {"kernel": "kernel", "gpu_memcpy": "memcpy", "gpu_memset": "memset"}
CALLS, RANGES, OPS = {"cuda_runtime", "cuda_driver"}, {"user_annotation"}, {"cpu_op"}
WANTED = WORK.keys() | CALLS | RANGES | OPS
DIRECTION = re.compile(r"Memcpy ([A-Za-z]+to[A-Za-z]+|PtoP)\b")
VERSION = re.compile(r"[\w.+\-]{1,60}", re.ASCII)


class Event(NamedTuple):
    """What matters of an event. `thread` is the stream where it ran on the GPU."""

    category: str
    name: str
    start: int
    end: int
    process: int
    thread: int
    correlation: int
    size: int
    node: int


def read(path: Path, *, progress: Progress = ignore, limit: int = MAX_EVENTS, seconds: float = 60.0) -> Trace:
    """Return the trace of a .json or .json.gz file. Raises BadTrace."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # a pipe would block
            return _Reader(JsonStream(path, file, seconds, progress), limit).trace()
    except OSError as error:
        seen = f"{path.name} cannot be opened: {error.strerror or error}"
        raise BadTrace(seen, "the .pt.trace.json.gz file that the profiler wrote", "Look for it in the profiler's folder.") from None


class _Reader:
    """One reading of one file."""

    def __init__(self, stream: JsonStream, limit: int) -> None:
        self.stream, self.limit = stream, limit
        self.names = Names(FEWER)
        self.head: dict[str, Any] = {}

    def trace(self) -> Trace:
        """Read everything."""
        events = [self.event(raw) for raw in self.raw()]
        zero = min((event.start for event in events), default=0)
        events = [event._replace(start=event.start - zero, end=event.end - zero) for event in events]
        calls = by_start(
            (Call(*event[1:4], event.thread, event.process, event.correlation) for event in events if event.category in CALLS), 1
        )
        ranges = outer_first(Range(*event[1:4], event.thread, event.process) for event in events if event.category in RANGES)
        ops = outer_first(Op(*event[1:4], event.thread, event.process) for event in events if event.category in OPS)
        work = by_start(self.work([event for event in events if event.category in WORK], calls), 2)
        return Trace(self.tool(), self.device(), work, calls, ranges, ops)

    def raw(self) -> Iterator[Any]:
        """Yield the events; what stands beside them goes into `head`."""
        if self.stream.peek() == "[":
            yield from self.limited()
            return
        seen = False
        for key in self.stream.fields():
            if key == "traceEvents":
                seen = True
                yield from self.limited()
            else:
                value = self.stream.value()
                if key in ("deviceProperties", "vllm_version"):
                    self.head[key] = value
        if not seen:
            raise self.stream.bad("has no traceEvents")

    def limited(self) -> Iterator[Any]:
        """Yield the wanted events, up to the limit."""
        kept = 0
        for event in self.stream.items():
            if isinstance(event, dict) and event.get("ph") == "X" and isinstance(event.get("cat"), str) and event["cat"].lower() in WANTED:
                yield event
                kept += 1
                if kept > self.limit:
                    raise BadTrace(f"{self.stream.name} has more than {self.limit:,} events", "at most that many", FEWER)

    def event(self, raw: dict[str, Any]) -> Event:
        """Return what matters of an event. Raises BadTrace."""
        start, length = self.nanoseconds(raw.get("ts")), self.nanoseconds(raw.get("dur", 0))
        if length < 0:
            raise self.stream.bad("has an event that ends before it starts")
        name, more, category = raw.get("name"), raw.get("args"), raw["cat"].lower()
        more = more if isinstance(more, dict) else {}
        on_gpu = category in WORK
        return Event(
            category,
            self.names(name if isinstance(name, str) else UNNAMED),
            start,
            start + length,
            0 if on_gpu else _number(raw, "pid"),
            _number(more, "stream") if "stream" in more else _number(raw, "tid"),
            _number(more, "correlation"),
            max(_number(more, "bytes"), 0),
            _number(more, "graph node id"),
        )

    def nanoseconds(self, value: object) -> int:
        """Return microseconds as nanoseconds. Raises BadTrace."""
        if type(value) in (int, Decimal) and -LONGEST < value < LONGEST:  # type: ignore[operator]  # compared before anything is computed
            return round(Decimal(value).scaleb(3))  # type: ignore[arg-type]
        raise self.stream.bad("has an event without a time in microseconds")

    def work(self, events: list[Event], calls: Iterable[Call]) -> Iterator[Work]:
        """Yield the GPU's work."""
        processes = {call.correlation: call.process for call in calls}
        alone = min(processes.values(), default=0)
        for category, name, start, end, _, stream, correlation, size, node in events:
            kind = WORK[category]
            if kind == "memcpy":
                name = self.names(found[1]) if (found := DIRECTION.match(name)) else name
            elif kind == "memset":
                name = self.names("memset")
            yield Work(kind, name, start, end, stream, processes.get(correlation, alone), correlation, size, node)

    def tool(self) -> str:
        """Return "torch.profiler", with vLLM's version where the file says it."""
        said = self.head.get("vllm_version")
        return f"torch.profiler, vLLM {said}" if isinstance(said, str) and VERSION.fullmatch(said) else "torch.profiler"

    def device(self) -> Device | None:
        """Return the first GPU that the file describes."""
        described = self.head.get("deviceProperties")
        first = described[0] if isinstance(described, list) and described else None
        if not isinstance(first, dict) or not isinstance(first.get("name"), str):
            return None
        memory, multiprocessors = (max(_number(first, key), 0) for key in ("totalGlobalMem", "numSms"))
        return Device(self.names(first["name"][:200]), 0, memory, multiprocessors)


def _number(values: dict[str, Any], key: str) -> int:
    """Return a whole number; 0 where there is none."""
    value = values.get(key, 0)
    return value if type(value) is int and -WORD <= value < WORD else 0
