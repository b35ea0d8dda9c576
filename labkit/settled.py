"""Evidence that nobody writes to while it is read, such as a grader's: each record and each file is read, checked and parsed once.

What is kept is bounded, whatever a submission holds: what is beyond the limits is read again each time, and says the same. Bad evidence
is never kept. All that is handed out twice is the same object: it must not be changed.
"""

from collections.abc import Callable, Hashable
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from labkit.evidence import Evidence
from labkit.records import ProducedFile, Record

MAX_KEPT_RECORDS = 2 * 1024 * 1024  # bytes of their files together; parsed, hostile ones take some 30 times as much
MAX_KEPT_FILES = 24 * 1024 * 1024  # bytes together; the course's are 4 MiB
Given = ParamSpec("Given")
Found = TypeVar("Found")


class KeptFile(bytes):
    """The bytes of a produced file, and what was read of them so far (see `once`); for everybody else plain bytes."""

    def __init__(self, _data: bytes = b"") -> None:
        self.found: dict[Hashable, Any] = {}


def once(
    keeps: Callable[[Found], bool],
) -> Callable[[Callable[Concatenate[bytes, Given], Found]], Callable[Concatenate[bytes, Given], Found]]:
    """Make a pure reader of bytes read a KeptFile once for the same arguments; the result stays with the file where `keeps` says so.

    `keeps` is asked of each result: it must refuse what takes much memory. What a reader raises is not kept.
    """

    def decorated(read: Callable[Concatenate[bytes, Given], Found]) -> Callable[Concatenate[bytes, Given], Found]:
        @wraps(read)
        def reading(data: bytes, /, *args: Given.args, **kwargs: Given.kwargs) -> Found:
            key = (read, args, tuple(kwargs.items()))
            if isinstance(data, KeptFile) and key in data.found:
                return data.found[key]  # type: ignore[no-any-return]
            result = read(data, *args, **kwargs)
            if isinstance(data, KeptFile) and keeps(result):
                data.found[key] = result
            return result

        return reading

    return decorated


class SettledEvidence(Evidence):
    """An evidence folder that does not change while this object lives."""

    def __init__(self, folder: Path, owner: str = "") -> None:
        super().__init__(folder, owner)
        self._records: dict[str, Record] = {}
        self._digests: dict[str, str] = {}
        self._files: dict[ProducedFile, KeptFile] = {}
        self._record_room, self._file_room = MAX_KEPT_RECORDS, MAX_KEPT_FILES  # bytes that may still be kept

    def record(self, record_id: str) -> Record:
        """Return the record, each time the same object. Raises Missing or BadEvidence."""
        kept = self._records.get(record_id)
        if kept is not None:
            return kept
        raw = self.raw(record_id)
        record = self.checked(record_id, raw)
        if len(raw) <= self._record_room:
            self._record_room -= len(raw)
            self._records[record_id] = record
        return record

    def digest(self, record_id: str) -> str:
        """Return the SHA-256 of a record's file. Raises Missing or BadEvidence."""
        if record_id not in self._digests:
            self._digests[record_id] = super().digest(record_id)
        return self._digests[record_id]

    def file(self, produced: ProducedFile) -> bytes:
        """Return the bytes of a file that a record lists, each time the same object. Raises BadEvidence when it is not the recorded file."""
        kept = self._files.get(produced)
        if kept is not None:
            return kept
        data = super().file(produced)
        if len(data) > self._file_room:
            return data
        self._file_room -= len(data)
        self._files[produced] = KeptFile(data)
        return self._files[produced]
