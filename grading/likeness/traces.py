"""The traces of one submission: short hashes of what it measured, and the records that name somebody else."""

import hashlib
import heapq
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

from grading.likeness.known import keys, replayed
from grading.likeness.profiles import paths_in, size_of, times_in
from grading.likeness.values import MAX_NODES as MAX_NODES_OF_RECORD
from grading.likeness.values import Found, exact, found_in, rough
from labkit.evidence import MAX_FILE_BYTES, MAX_RECORD_BYTES, BadEvidence
from labkit.learner import token_of
from labkit.settled import Shelf

MAX_RECORDS = 500  # a whole course leaves about 90
MAX_BYTES = 4 * 1024 * 1024  # of all records together; a whole course leaves 0.4 MiB
MAX_NODES = 50_000  # values of JSON, of all records together; a whole course has 3,500
MAX_TRACE_FILES = 24
MAX_PROFILE_BYTES = 16 * 1024 * 1024  # of all unpacked profiles together; a whole course has 1.5 MiB
MAX_ROWS = 4_000  # of one submission; a whole course leaves 340
LEAST_PROCESSES = 3  # the ids of one process alone are small numbers that come up again
# How many of a kind are kept of one record. A course's records have fewer, so that made-up values cannot take the place of measured ones.
KEPT = {"number": 128, "rounded": 128, "trace": 16, "rounded trace": 8, "address": 128, "drawn": 32, "process": 1}
# But for these, and profiles: kept are the values with the smallest checksums, the same ones in a copy in another order.
SAMPLED = {"exercises-speed": {"number": 48, "rounded": 24}}
MOST_SAMPLED = 448  # numbers: speed.py takes 427 at most. Made-up ones in what is left of that can push out less than half of the kept

_RECORD = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}\.json")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_TOKEN = re.compile(r"[0-9a-f]{16}")


class Trace(NamedTuple):
    """One row: in which record, of which kind, and a hash.

    Kinds beside those of KEPT: "name" and "token", with whom a foreign record names; "cut", where there was more than is looked at.
    """

    record: str
    kind: str
    value: str


class Traces(NamedTuple):
    """What is kept of one submission, sorted. A few hundred rows."""

    rows: tuple[Trace, ...]

    @property
    def foreign(self) -> dict[str, int]:
        """{name of somebody else, or their token: how many records carry it}."""
        return dict(Counter(row.value for row in self.rows if row.kind in ("name", "token")))


@dataclass
class _Left:
    """What may still be looked at of a submission. Junk cannot hide a copy quietly: `cut` says that there was more."""

    bytes: int = MAX_BYTES
    nodes: int = MAX_NODES
    files: int = MAX_TRACE_FILES
    profiles: int = MAX_PROFILE_BYTES
    cut: bool = False

    def none_of(self, amount: int) -> bool:
        """Say whether nothing is left of an amount, and note it."""
        self.cut |= amount <= 0
        return amount <= 0


def fingerprints(folder: Path, learner: str, shelf: Shelf | None = None) -> Traces:
    """Return the traces of a submission. What cannot be read leaves none; nothing that a learner wrote raises.

    `shelf` may hold files of the evidence that were read before.
    """
    evidence = folder / "evidence"
    shelf = shelf if shelf is not None and shelf.folder == evidence else Shelf(evidence)
    rows, left = set[Trace](), _Left()
    for record_id, record in _records(shelf, left):
        rows.update(_whose(record_id, record, learner))
        rows.update(_measured_in(record_id, record, left))
        rows.update(_profiled_in(shelf, record_id, record, left))
        if len(rows) > MAX_ROWS:
            left.cut = True
            break
    if left.cut:
        rows.add(Trace("", "cut", ""))
    return Traces(tuple(sorted(rows)))


def _records(shelf: Shelf, left: _Left) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the records that are JSON objects, by name, until what may be looked at is used up."""
    names = _names(shelf.folder)
    left.cut |= len(names) > MAX_RECORDS
    for name in names[:MAX_RECORDS]:
        if left.none_of(left.bytes):
            return
        try:
            raw = shelf.read(name, MAX_RECORD_BYTES)
            left.bytes -= len(raw)
            record = json.loads(raw)
        except (BadEvidence, OSError, ValueError, RecursionError):
            continue
        if isinstance(record, dict):
            yield name.removesuffix(".json"), record


def _names(evidence: Path) -> list[str]:
    try:
        with os.scandir(evidence) as entries:
            return heapq.nsmallest(MAX_RECORDS + 1, (entry.name for entry in entries if _RECORD.fullmatch(entry.name)))
    except (OSError, ValueError):
        return []


def _whose(record_id: str, record: dict[str, Any], learner: str) -> Iterator[Trace]:
    name, token = record.get("learner"), record.get("token")
    if isinstance(name, str) and name != learner and _NAME.fullmatch(name):
        yield Trace(record_id, "name", name)
    elif isinstance(token, str) and token != token_of(learner) and _TOKEN.fullmatch(token):
        yield Trace(record_id, "token", token)


def _measured_in(record_id: str, record: dict[str, Any], left: _Left) -> Iterator[Trace]:
    if left.none_of(left.nodes):
        return
    facts, ours = record.get("facts"), keys().get(record_id)
    if isinstance(facts, dict) and ours is not None:  # what a learner put beside them earns nothing, and could hide what does
        facts = {key: value for key, value in facts.items() if key in ours}
    found = found_in(facts, record.get("seconds"))
    left.nodes -= found.looked_at
    found = _without_ours(found)
    left.cut |= found.looked_at >= MAX_NODES_OF_RECORD or not _is_kept_whole(record_id, found)
    yield from _sketch(record_id, found)


def _is_kept_whole(record_id: str, found: Found) -> bool:
    numbers = MOST_SAMPLED if record_id in SAMPLED else KEPT["number"]
    addresses, drawn = len(found.addresses) <= KEPT["address"], len(found.drawn) <= KEPT["drawn"]
    return addresses and drawn and sum(map(len, found.numbers.values())) <= numbers


def _without_ours(found: Found) -> Found:
    ours = replayed()
    numbers = {path: kept for path, group in found.numbers.items() if (kept := [number for number in group if number not in ours])}
    return Found(numbers, found.addresses - ours, found.processes - ours, found.drawn - ours, found.looked_at)


def _sketch(record_id: str, found: Found) -> Iterator[Trace]:
    groups = found.numbers.values()
    yield from _sampled(record_id, "number", (text for group in groups for number in group if (text := exact(number))))
    yield from _sampled(record_id, "rounded", rough(groups))
    yield from _sampled(record_id, "address", found.addresses)
    yield from _sampled(record_id, "drawn", found.drawn)
    if len(found.processes) >= LEAST_PROCESSES:
        yield from _sampled(record_id, "process", [" ".join(map(str, sorted(found.processes)))])


def _profiled_in(shelf: Shelf, record_id: str, record: dict[str, Any], left: _Left) -> Iterator[Trace]:
    for path in paths_in(record):
        if left.none_of(left.files):
            return
        left.files -= 1
        numbers = _times(shelf, path, left)
        yield from _sampled(record_id, "trace", (text for number in numbers if (text := exact(number))))
        yield from _sampled(record_id, "rounded trace", rough([numbers]))


def _sampled(record_id: str, kind: str, texts: Iterable[str]) -> list[Trace]:
    """Return the traces of a kind, a sample that does not depend on order. The record is in the hash: a value counts in its place only."""
    chosen = heapq.nsmallest(SAMPLED.get(record_id, KEPT).get(kind, KEPT[kind]), {(crc32(text.encode()), text) for text in texts})
    if not chosen:
        return []
    start = hashlib.blake2b(f"{record_id}\0{kind}\0".encode(), digest_size=8)
    return [Trace(record_id, kind, _finished(start.copy(), text)) for _, text in chosen]


def _finished(start: Any, text: str) -> str:
    start.update(text.encode())
    return str(start.hexdigest())


def _times(shelf: Shelf, path: str, left: _Left) -> list[float]:
    try:
        packed = shelf.read(path, MAX_FILE_BYTES)
    except (BadEvidence, OSError, ValueError):
        return []
    left.profiles -= size_of(packed, max(left.profiles, 1))
    return [] if left.none_of(left.profiles) else times_in(packed)
