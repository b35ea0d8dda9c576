"""How long a learner's commands ran, as their evidence says. The files are hostile: a number is all that is taken from them."""

import json
import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from labkit.evidence import MAX_RECORD_BYTES, BadEvidence, read_bounded

MAX_RECORDS = 500  # a whole course leaves about 80
MAX_BYTES = 16 * 1024 * 1024  # of one learner; a whole course leaves 0.4 MiB
MAX_SECONDS = 864_000.0  # as in labkit.records.Record
_RECORD = re.compile(r"([a-z0-9]+)[a-z0-9_-]{0,79}\.json")


def seconds_by_prefix(folder: Path, learner: str) -> dict[str, float]:
    """Return {first word of the record id: seconds together} of one learner's records in `folder`; unreadable ones count nothing."""
    sums: dict[str, float] = {}
    left = MAX_BYTES
    for name in _names(folder):
        raw = _raw(folder, name)
        left -= len(raw)
        if left < 0:
            break
        prefix = name.split("-")[0].removesuffix(".json")
        sums[prefix] = sums.get(prefix, 0.0) + _seconds(raw, learner)
    return sums


def _names(folder: Path) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            names = sorted(islice((entry.name for entry in entries if _RECORD.fullmatch(entry.name)), MAX_RECORDS))
    except OSError:
        names = []
    yield from names


def _raw(folder: Path, name: str) -> bytes:
    try:
        return read_bounded(folder, name, MAX_RECORD_BYTES)
    except BadEvidence:
        return b""


def _seconds(raw: bytes, learner: str) -> float:
    """Return the seconds of a record that is this learner's own, else 0."""
    record: Any
    try:
        record = json.loads(raw)
    except (ValueError, RecursionError):
        return 0.0
    if not isinstance(record, dict) or record.get("learner") != learner:
        return 0.0
    value: Any = record.get("seconds")
    usable = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < MAX_SECONDS  # no NaN is
    return float(value) if usable else 0.0
