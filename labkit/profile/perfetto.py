"""Write a trace for Perfetto (ui.perfetto.dev) and chrome://tracing: the Trace Event Format, JSON, gzipped where the name ends with .gz.

Spans of one track must nest (perfetto.dev/docs/faq), so what overlaps gets a second track. The page reads the file in the browser and sends it nowhere.
"""

import gzip
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from labkit.trace.model import Call, Op, Range, Trace, Work
from labkit.trace.names import short

Json = dict[str, Any]
Spanned = Call | Op | Range | Work
MOST = 16  # tracks that one thread or stream can get


class Track(NamedTuple):
    """A line of the picture: a thread or a stream, or what overlaps on one."""

    process: int
    number: int
    name: str
    items: Sequence[Spanned]


def export(trace: Trace, path: str | Path) -> Path:
    """Write the trace into a file and return its path. The same trace gives the same bytes."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    head = json.dumps({"tool": trace.tool, "device": trace.device.name if trace.device else "none"})
    with target.open("wb") as stream:
        packed = gzip.GzipFile("", "wb", compresslevel=6, fileobj=stream, mtime=0) if target.suffix == ".gz" else stream
        with io.TextIOWrapper(packed, encoding="utf-8") as text:
            text.write(f'{{"displayTimeUnit": "ns", "otherData": {head}, "traceEvents": [\n')
            for index, event in enumerate(events(trace)):
                text.write((",\n" if index else "") + json.dumps(event, separators=(",", ":")))
            text.write("\n]}\n")
    return target


def events(trace: Trace) -> Iterator[Json]:
    """Give the trace's events in the Trace Event Format: names of processes and tracks, spans, and arrows from calls to work."""
    found = tracks(trace)
    device = f"GPU: {trace.device.name}" if trace.device else "GPU"
    numbers = {track.process: device if isinstance(track.items[0], Work) else "process" for track in found}
    for pid, name in numbers.items():
        yield {"ph": "M", "name": "process_name", "pid": pid, "tid": 0, "args": {"name": f"{name} ({pid})"}}
        yield {"ph": "M", "name": "process_sort_index", "pid": pid, "tid": 0, "args": {"sort_index": pid}}
    for track in found:
        yield {"ph": "M", "name": "thread_name", "pid": track.process, "tid": track.number, "args": {"name": track.name}}
    for track in found:
        yield from (_span(item, track) for item in track.items)
    yield from _arrows(found)


def tracks(trace: Trace) -> list[Track]:
    """Return the tracks: threads by process, then streams by process, in the order of their own numbers, numbered from 1."""
    threads: dict[tuple[int, int], list[Spanned]] = {}
    streams: dict[tuple[int, int], list[Spanned]] = {}
    host: list[Call | Op | Range] = [*trace.ranges, *trace.ops, *trace.calls]
    for item in host:
        threads.setdefault((item.process, item.thread), []).append(item)
    for work in trace.work:
        streams.setdefault((work.process, work.stream), []).append(work)
    found: list[Track] = []
    pids: dict[tuple[str, int], int] = {}
    for word, groups in (("thread", threads), ("stream", streams)):
        for order, (process, own) in enumerate(sorted(groups), 1):
            pid = pids.setdefault((word, process), len(pids) + 1)
            name = f"{word} {own if word == 'stream' else order}"
            for again, layer in enumerate(layers(groups[process, own], nest=word == "thread")):
                found.append(Track(pid, len(found) + 1, f"{name}, overlapping {again}" if again else name, layer))
    return found


def layers(items: Iterable[Spanned], *, nest: bool) -> list[list[Spanned]]:
    """Split spans into layers in each of which they lie apart or, with `nest`, in each other; never across each other."""
    found: list[tuple[list[Spanned], list[int]]] = []
    for item in sorted(items, key=lambda item: (item.start, -item.end)):
        for _, stack in found:
            while stack and stack[-1] <= item.start:
                stack.pop()
        fits = next((pair for pair in found if not pair[1] or (nest and item.end <= pair[1][-1])), None)
        if fits is None:
            fits = ([], []) if len(found) < MOST else found[-1]
            found += [fits] if not fits[0] else []
        fits[0].append(item)
        fits[1].append(item.end)
    return [layer for layer, _ in found]


def _span(item: Spanned, track: Track) -> Json:
    event: Json = {
        "ph": "X",
        "name": item.name,
        "cat": type(item).__name__.lower(),
        **_at(item, track),
        "dur": (item.end - item.start) / 1000,
    }
    if isinstance(item, Work):
        args = {"name": item.name, "bytes": item.size, "correlation": item.correlation}
        return event | {"name": short(item.name), "cat": item.kind, "args": args}
    return event | ({"args": {"correlation": item.correlation}} if isinstance(item, Call) else {})


def _arrows(found: Sequence[Track]) -> Iterator[Json]:
    """Give an arrow from each call to each piece of work that it asked for."""
    calls = {(item.process, item.correlation): (item, track) for track in found for item in track.items if isinstance(item, Call)}
    asked = [
        (item, track) for track in found for item in track.items if isinstance(item, Work) and (item.process, item.correlation) in calls
    ]
    for serial, (work, track) in enumerate(asked, 1):
        arrow = {"name": "launch", "cat": "launch", "id": serial}
        yield {"ph": "s", **arrow, **_at(*calls[work.process, work.correlation])}
        yield {"ph": "f", "bp": "e", **arrow, **_at(work, track)}


def _at(item: Spanned, track: Track) -> Json:
    return {"ts": item.start / 1000, "pid": track.process, "tid": track.number}
