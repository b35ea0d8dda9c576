"""Evidence that nobody writes to while it is read, such as a grader's: each record and each file is read, checked and parsed once.

What is kept is bounded, whatever a submission holds: what is beyond the limits is read again each time, and says the same. What
is bad is never kept but as bytes. All that is handed out twice is the same object: it must not be changed.
"""

import hashlib
from collections.abc import Callable, Hashable
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from labkit.evidence import Evidence, read_bounded
from labkit.records import Record

MAX_KEPT_RECORDS = 2 * 1024 * 1024  # bytes of their files together; parsed, hostile ones take some 30 times as much
MAX_KEPT_FILES = 24 * 1024 * 1024  # bytes together, of records, too; the course's are 5 MiB
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


@once(lambda _: True)
def sha256_of(data: bytes) -> str:
    """Return the SHA-256 of bytes, of a KeptFile's once."""
    return hashlib.sha256(data).hexdigest()


class Shelf:
    """The files of a folder that does not change while this object lives, each read once as far as there is room."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._kept: dict[str, KeptFile] = {}
        self._room = MAX_KEPT_FILES  # bytes that may still be kept

    def kept(self, name: str) -> KeptFile | None:
        """Return a file that was read before and kept."""
        return self._kept.get(name)

    def read(self, name: str, limit: int) -> bytes:
        """Return the bytes of a file as `read_bounded` does, each time the same object. Raises Missing or BadEvidence."""
        kept = self._kept.get(name)
        if kept is not None and len(kept) <= limit:
            return kept
        data = read_bounded(self.folder, name, limit)
        if len(data) > self._room:
            return data
        self._room -= len(data)
        self._kept[name] = KeptFile(data)
        return self._kept[name]


class SettledEvidence(Evidence):
    """An evidence folder that does not change while this object lives. A shelf that is given must be the same folder's."""

    def __init__(self, folder: Path, owner: str = "", shelf: Shelf | None = None) -> None:
        super().__init__(folder, owner)
        self.shelf = shelf or Shelf(folder)
        self._records: dict[str, Record] = {}
        self._room = MAX_KEPT_RECORDS

    def read(self, name: str, limit: int) -> bytes:
        """Return the bytes of a file in the folder, each time the same object. Raises Missing or BadEvidence."""
        return self.shelf.read(name, limit)

    def sha256(self, data: bytes) -> str:
        """Return the SHA-256 of what `read` returned."""
        return sha256_of(data)

    def record(self, record_id: str) -> Record:
        """Return the record, each time the same object. Raises Missing or BadEvidence."""
        kept = self._records.get(record_id)
        if kept is not None:
            return kept
        raw = self.raw(record_id)
        record = self.checked(record_id, raw)
        if len(raw) <= self._room:
            self._room -= len(raw)
            self._records[record_id] = record
        return record
