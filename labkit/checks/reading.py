"""How checks read what a record may hold in any shape: the wrong shape counts as nothing."""

from collections.abc import Iterable
from typing import Any

from labkit.evidence import BadEvidence, Evidence
from labkit.records import Record

LARGEST = 10**15  # JSON allows integers that no float can hold


def answer_of(evidence: Evidence, record_id: str) -> dict[str, Any]:
    """Return an answer that should be a dictionary, {} when it is something else. Raises BadEvidence when there is none."""
    return mapping(evidence.record(record_id).facts.get("answer"))


def mapping(value: object) -> dict[str, Any]:
    """Return a dictionary as it is, anything else as {}."""
    return dict(value) if isinstance(value, dict) else {}


def word_of(value: object, words: Iterable[str]) -> str:
    """Return which of the words an answer is, whatever its capitals and the blanks around it; "" when it is none of them."""
    said = value.strip().lower() if isinstance(value, str) else ""
    return next((word for word in words if word.lower() == said), "")


def own_library(evidence: Evidence, record: Record) -> tuple[bytes, str]:
    """Return the bytes and the name of the one file that a record keeps. Raises BadEvidence."""
    if len(record.files) != 1:
        raise BadEvidence(f"{record.id}.json: {len(record.files)} files. Expected one library. Run the cell that records it again.")
    kept = record.files[0]
    return evidence.file(kept), kept.path.rpartition(f"{record.id}.")[2]


def is_number(value: object) -> bool:
    """Whether a value is a number that arithmetic can be done with; True and False are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -LARGEST < value < LARGEST
