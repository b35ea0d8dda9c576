"""Read evidence. The folder may come from anyone, so every limit is checked before a byte is parsed.

Both the visible checks in a lesson and the grader read through this module; the only writer is labkit.recorder.
"""

import hashlib
import json
import math
import os
import re
import stat
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from labkit.learner import token_of
from labkit.records import ProducedFile, Record

MAX_RECORD_BYTES = 1 * 1024 * 1024
MAX_FILE_BYTES = 5 * 1024 * 1024
MAX_DEPTH = 32
_HOLDERS = frozenset({dict, list})  # what JSON is parsed to, no class below them
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class BadEvidence(Exception):
    """The evidence is missing, unreadable or not what a record may be. The text is written for the learner."""


class Missing(BadEvidence):
    """There is no such record: the cell that makes it has not run."""


class Evidence:
    """The evidence folder of one learner, read only. Records of anybody but `owner` are bad evidence; "" lets all pass."""

    def __init__(self, folder: Path, owner: str = "") -> None:
        self.folder, self.owner = folder, owner

    def has(self, record_id: str) -> bool:
        """Say whether a record file of this id exists; it may still be unreadable."""
        return (self.folder / f"{record_id}.json").is_file()

    def ids(self) -> list[str]:
        """Return the ids of all record files, sorted."""
        return sorted(path.stem for path in self.folder.glob("[a-z0-9]*.json"))

    def record(self, record_id: str) -> Record:
        """Return the record. Raises Missing or BadEvidence."""
        return self.checked(record_id, self.raw(record_id))

    def raw(self, record_id: str) -> bytes:
        """Return the bytes of a record's file. Raises Missing or BadEvidence."""
        return self.read(f"{record_id}.json", MAX_RECORD_BYTES)

    def read(self, name: str, limit: int) -> bytes:
        """Return the bytes of a file in the folder, as `read_bounded` does."""
        return read_bounded(self.folder, name, limit)

    def sha256(self, data: bytes) -> str:
        """Return the SHA-256 of what `read` returned."""
        return hashlib.sha256(data).hexdigest()

    def checked(self, record_id: str, raw: bytes) -> Record:
        """Return the record that the bytes of its file hold. Raises BadEvidence."""
        name = f"{record_id}.json"
        try:
            value = parse_json(raw, name)
            if _ESCAPED_SURROGATE.search(raw):  # UTF-8 holds none, an escape may
                json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair could not be shown in a verdict
            record = Record.model_validate(value)
        except UnicodeEncodeError:
            raise BadEvidence(
                f"{name}: it holds text that is not Unicode. Expected a record as labkit writes it. Run the lesson's cell again."
            ) from None
        except ValidationError as error:
            raise BadEvidence(
                f"{name}: {_first_problem(error)}. Expected a record as labkit writes it. Run the lesson's cell again."
            ) from None
        if record.id != record_id:
            raise BadEvidence(f"{name}: it holds the record {record.id!r}. Expected {record_id!r}. Run the lesson's cell again.")
        if self.owner and (record.learner, record.token) != (self.owner, token_of(self.owner)):
            raise BadEvidence(
                f"{name}: it was recorded by {record.learner!r}. Expected {self.owner!r}. "
                "Is LEARNER in the first cell of 00_start_here the name you submit under? If not, correct it and run the lesson again."
            )
        return record

    def digest(self, record_id: str) -> str:
        """Return the SHA-256 of a record's file, so that an answer can say which run it is about. Raises Missing or BadEvidence."""
        return self.sha256(self.raw(record_id))

    def file(self, produced: ProducedFile) -> bytes:
        """Return the bytes of a file that a record lists. Raises BadEvidence when it is not the recorded file."""
        data = self.read(produced.path, MAX_FILE_BYTES)
        if self.sha256(data) != produced.sha256 or len(data) != produced.size:
            raise BadEvidence(
                f"{produced.path}: its SHA-256 is not the recorded one. Expected the file as the lesson produced it. Run that cell again."
            )
        return data


def read_bounded(folder: Path, name: str, limit: int) -> bytes:
    """Return the bytes of the regular file `name` inside `folder`, at most `limit` of them.

    Follows no symbolic link, in no component; opens no device or pipe. Raises Missing or BadEvidence.
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]  # what Path does, for each file of a class
    if not parts or name.startswith("/") or ".." in parts or "\0" in name:
        raise BadEvidence(f"{name!r}: it points outside the evidence folder. Expected a path inside it.")
    try:
        descriptor = _open_beneath(folder, parts)
    except FileNotFoundError:
        raise Missing(f"{name}: not there yet. Run the cell that makes it.") from None
    except ValueError:  # a name that no file can have
        raise BadEvidence(f"{name!r}: it cannot be the name of a file. Expected a path that the lesson wrote.") from None
    except OSError as error:
        raise BadEvidence(f"{name}: it cannot be opened ({error.strerror}). Expected a regular file, not a link or a folder.") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise BadEvidence(f"{name}: it is not a regular file. Expected the file that the lesson wrote.")
        if status.st_size > limit:
            raise BadEvidence(f"{name}: {status.st_size:,} bytes. Expected at most {limit:,}. Was something else written in its place?")
        return _whole(descriptor, status.st_size)
    except OSError as error:
        raise BadEvidence(f"{name}: it cannot be read ({error.strerror}). Expected the file that the lesson wrote.") from None
    finally:
        os.close(descriptor)


def _whole(descriptor: int, size: int) -> bytes:
    """Read `size` bytes, or to the end of a file that became shorter. A stream would first make room for the limit."""
    data = os.read(descriptor, size)
    while len(data) < size and (more := os.read(descriptor, size - len(data))):
        data += more
    return data


def _open_beneath(folder: Path, parts: list[str]) -> int:
    """Open a file component by component, so that no symbolic link is followed anywhere below `folder`'s parent."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # O_NONBLOCK: opening a pipe must not wait for a writer
    here = os.open(folder, flags | os.O_DIRECTORY)
    try:
        for part in parts[:-1]:
            inner = os.open(part, flags | os.O_DIRECTORY, dir_fd=here)
            os.close(here)
            here = inner
        return os.open(parts[-1], flags, dir_fd=here)
    finally:
        os.close(here)


def parse_json(raw: bytes, name: str) -> Any:
    """Parse JSON that a stranger may have written: finite numbers only, no duplicate keys, bounded depth. Raises BadEvidence."""
    try:
        value = json.loads(raw.decode(), parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_unique)
        _check_depth(value)
    except (ValueError, RecursionError) as error:
        # Python's own text of a RecursionError depends on how deep the caller is
        why = f"nested deeper than {MAX_DEPTH}" if isinstance(error, RecursionError) else str(error)[:120]
        raise BadEvidence(f"{name}: it is not valid JSON ({why}). Expected the file as the lesson wrote it. Run that cell again.") from None
    return value


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is not a number here")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is too large")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key appears twice")
    return found


def _check_depth(value: Any) -> None:
    """Level by level: only what can hold something is followed."""
    level = [value] if type(value) in _HOLDERS else []
    for _ in range(MAX_DEPTH):
        level = [held for one in level for held in (one.values() if type(one) is dict else one) if type(held) in _HOLDERS]
        if not level:
            return
    if any(level):
        raise ValueError(f"nested deeper than {MAX_DEPTH}")


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}"
