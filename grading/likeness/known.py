"""What the course itself holds of measurements: the recordings that lessons replay, and how the records of a reference run are made up."""

import json
import lzma
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import labkit
from grading.likeness.values import found_in

RUNS = Path(__file__).resolve().parents[2] / "recordings"


def warm() -> None:
    """Read what is known once, before forking."""
    replayed()
    keys()


@cache
def replayed() -> frozenset[str | int | float]:
    """Return what the recordings that lessons replay hold: addresses, thread ids, numbers. Every honest learner has them."""
    ours = set[str | int | float]()
    for path in sorted(Path(labkit.__file__).parent.rglob("recorded/*.json")):
        found = found_in(json.loads(path.read_bytes()), None)
        ours |= found.addresses | found.drawn | found.processes
        ours.update(*found.numbers.values())
    return frozenset(ours)


@cache
def keys() -> Mapping[str, frozenset[str]]:
    """Return {record id: the keys of the facts that a record of this name has in the reference runs}. Lessons write no others."""
    found = defaultdict[str, set[str]](set)
    for path in sorted(RUNS.glob("*-reference/evidence/*.json*")):
        found[path.name.partition(".")[0]].update(json.loads(unpacked(path))["facts"])
    return {record: frozenset(names) for record, names in found.items()}


def unpacked(path: Path) -> bytes:
    """Return the bytes of a file of a recording, some of which are packed with xz."""
    raw = path.read_bytes()
    return lzma.decompress(raw) if path.suffix == ".xz" else raw
