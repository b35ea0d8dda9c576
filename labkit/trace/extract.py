"""The only form of a trace that evidence keeps: what the model holds, and nothing else of the recording.

A gzip-compressed JSON document with one array per field: equal traces give equal bytes. Names are numbers in `strings`, processes and threads
numbers in `ids`; starts and correlations are differences to the one before, and instead of its end an event has its length. The text of
names holds no bracket, brace or quote as it is (they are escaped), so `parse` can count what the document is made of before it parses it.
"""

import gzip
import json
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from labkit.trace.bounds import MAX_EVENTS, WORD
from labkit.trace.columns import TABLES, Tables, decoded, encoded, names_of, numbers_of
from labkit.trace.errors import BadTrace
from labkit.trace.model import Device, Range, Trace

SCHEMA = 1
MAX_BYTES = 4_000_000
MAX_TEXT = 64_000_000
MAX_STRINGS = 100_000
AGAIN = "Run the cell that makes the extract again."
SMALLER = "Record fewer steps, or keep fewer of them."
PARTS = {"[": 64, "{": 16, '"': 2 * MAX_STRINGS + 256, ",": 10 * MAX_EVENTS + 1_000_000}
ESCAPED = {ord(mark): f"\\u{ord(mark):04x}" for mark in "[]{}"}
MATTERS = re.compile(r"Launch|Memcpy|Memset|Synchronize|Wait|Alloc|Free")  # cudaGetDevice, cudaEventQuery, ... do not


def write(trace: Trace, path: Path) -> None:
    """Write the extract of a trace. Raises BadTrace when `parse` would refuse it or give another trace."""
    data = packed(trace)
    if parse(data) != trace:
        raise BadTrace("The trace changes when it is kept", "events as labkit's readers give them", "Read the recording again.")
    path.write_bytes(data)


def packed(trace: Trace) -> bytes:
    """Return the extract's bytes."""
    tables = Tables()
    columns = {field: encoded(field, getattr(trace, field), tables) for field in TABLES}
    head = {"schema": SCHEMA, "tool": trace.tool, "device": trace.device and list(vars(trace.device).values())}
    parts = {**head, "ids": list(tables.ids), **columns, "strings": list(tables.strings)}
    fields = ", ".join(f"{json.dumps(name)}: {_dumped(name, value)}" for name, value in parts.items())
    return gzip.compress(f"{{{fields}}}".encode(), mtime=0)


def _dumped(name: str, value: object) -> str:
    if name == "strings":
        return "[" + ",".join(map(_text, value)) + "]"  # type: ignore[call-overload]
    if name == "tool":
        return _text(str(value))
    if name == "device" and isinstance(value, list):
        return f"[{_text(value[0])}, {json.dumps(value[1:])[1:]}"
    return json.dumps(value, separators=(",", ":"))


def _text(value: str) -> str:
    return '"' + json.dumps(value)[1:-1].replace('\\"', "\\u0022").translate(ESCAPED) + '"'


def parse(data: bytes) -> Trace:
    """Return the trace of an extract that anyone may have made. Raises BadTrace."""
    text = _unpacked(data)
    for mark, most in PARTS.items():
        if text.count(mark.encode()) > most:
            raise BadTrace(f"The extract has more than {most:,} {mark!r}", "an extract as labkit writes it", AGAIN)
    rest = text.translate(None, b"0123456789,-")  # little, and fast to search
    bools = b"true" in rest or b"false" in rest
    try:
        return _trace(from_json(text, cache_strings="none"), bools=bools)  # twice as fast as json.loads, with the same result
    except (ValueError, RecursionError, KeyError, TypeError, IndexError, OverflowError) as error:
        raise BadTrace(f"The extract cannot be read: {str(error)[:200]}", "an extract as labkit writes it", AGAIN) from None


def _unpacked(data: bytes) -> bytes:
    if len(data) > MAX_BYTES:
        raise BadTrace(f"The extract has {len(data):,} bytes", f"at most {MAX_BYTES:,}", SMALLER)
    machine = zlib.decompressobj(wbits=31)
    try:
        text = machine.decompress(data, MAX_TEXT + 1)
    except zlib.error as error:
        raise BadTrace(f"The extract is not packed with gzip: {error}", "an extract as labkit writes it", AGAIN) from None
    if len(text) > MAX_TEXT:
        raise BadTrace(f"The extract unpacks to more than {MAX_TEXT:,} bytes", "at most that many", SMALLER)
    if not machine.eof or machine.unused_data:
        seen = "The extract is followed by something else" if machine.eof else "The extract is cut short"
        raise BadTrace(seen, "the whole file and nothing more", AGAIN)
    return text


def _trace(document: Any, *, bools: bool) -> Trace:
    if not isinstance(document, dict) or document.keys() != {"schema", "tool", "device", "ids", "strings", *TABLES}:
        raise ValueError("it has other parts than an extract")
    if document["schema"] != SCHEMA:
        raise ValueError(f"its schema is {document['schema']!r:.20}, not {SCHEMA}")
    tables = Tables.checked(document["strings"], document["ids"], bools=bools)
    (tool,) = names_of([document["tool"]])
    events = {field: decoded(field, document[field], tables) for field in TABLES}
    if sum(map(len, events.values())) > MAX_EVENTS:
        raise ValueError(f"it has more than {MAX_EVENTS:,} events")
    return Trace(tool, _device(document["device"]), **events)


def _device(value: Any) -> Device | None:
    if value is None:
        return None
    name, *numbers = value
    names_of([name])
    bandwidth, memory, multiprocessors = numbers_of(numbers, "device's sizes", 0, WORD - 1)
    return Device(name, bandwidth, memory, multiprocessors)


def cut(trace: Trace, ranges: Sequence[Range]) -> Trace:
    """Return what of a trace belongs to the time from the first of these ranges to the end of the last.

    Kept are the ranges, operators and calls wholly inside it; the work that such a call launched, whenever it ran; and the work that ran, even
    partly, in that time. Of the calls those go that launched no work and neither wait, copy nor allocate: pure questions to the driver. So
    for each of the ranges `launched_by`, `overlapping` and `launches` give the same as before. Times stay as they were. Raises BadTrace.
    """
    if not ranges:
        raise BadTrace("There is no range to keep", "at least one step", "Look at the names of the recording's ranges.")
    first, last = min(span.start for span in ranges), max(span.end for span in ranges)
    worked = {(work.process, work.correlation) for work in trace.work}
    inside = [call for call in trace.calls if first <= call.start and call.end <= last]
    calls = tuple(call for call in inside if (call.process, call.correlation) in worked or MATTERS.search(call.name))
    asked = {(call.process, call.correlation) for call in calls}
    work = tuple(item for item in trace.work if (item.process, item.correlation) in asked or (item.start < last and item.end > first))
    spans = tuple(span for span in trace.ranges if first <= span.start and span.end <= last)
    ops = tuple(op for op in trace.ops if first <= op.start and op.end <= last)
    return Trace(trace.tool, trace.device, work, calls, spans, ops)
