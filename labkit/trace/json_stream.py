"""Takes a JSON document apart while it is unpacked, so that a long list in it never has to fit in memory."""

import gzip
import json
import os
import time
import zlib
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, cast

from labkit.trace.errors import BadTrace

CHUNK = 1 << 20  # bytes unpacked at a time
MAX_VALUE = 1 << 20  # characters of one event, or of one value beside them
MAX_FILE = 256_000_000
MAX_TEXT = 2_000_000_000
SPACE = " \t\n\r"
EXPECTED, AGAIN = "a trace as torch.profiler writes it", "Record it again and let the program end by itself."
Progress = Callable[[int, int], object]


class JsonStream:
    """A JSON text, gzip-compressed or not, of which at least MAX_VALUE characters after the current place are at hand."""

    def __init__(self, path: Path, file: BinaryIO, seconds: float, progress: Progress) -> None:
        self.name, self.seconds, self.progress = path.name, seconds, progress
        self.size, self.file, self.deadline = os.fstat(file.fileno()).st_size, file, time.monotonic() + seconds
        packed = file.peek(2)[:2] == b"\x1f\x8b"  # type: ignore[attr-defined]
        self.source = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if packed else file
        self.text, self.at, self.read, self.ended = "", 0, 0, False
        self.rest = b""  # of a character that the last chunk ended in
        self.scan = json.JSONDecoder(parse_float=Decimal).raw_decode
        if self.size > MAX_FILE:
            raise BadTrace(f"{self.name} has {self.size:,} bytes", f"at most {MAX_FILE:,}", "Record fewer steps.")

    def bad(self, seen: str) -> BadTrace:
        """Return the error that says what was seen in the file."""
        return BadTrace(f"{self.name} {seen}", EXPECTED, AGAIN)

    def fill(self) -> None:
        """Make MAX_VALUE characters available, or all that are left."""
        while not self.ended and len(self.text) - self.at < MAX_VALUE:
            try:
                chunk = self.source.read(CHUNK)
            except (OSError, EOFError, zlib.error) as error:
                raise self.bad(f"cannot be unpacked: {error}") from None
            self.ended, self.read = not chunk, self.read + len(chunk)
            if self.read > MAX_TEXT or time.monotonic() > self.deadline:
                seen = f"takes more than {self.seconds:g} seconds to read or unpacks to more than {MAX_TEXT:,} bytes"
                raise BadTrace(f"{self.name} {seen}", "less", "Record fewer steps.")
            self.text, self.at = self.text[self.at :] + self._decoded(chunk), 0
            self.progress(min(self.file.tell(), self.size), self.size)

    def _decoded(self, chunk: bytes) -> str:
        data = self.rest + chunk
        whole = data
        if not self.ended:
            back = next((n for n in range(1, min(4, len(data)) + 1) if data[-n] & 0xC0 != 0x80), 0)  # the last character's first byte
            whole = data[:-back] if back and data[-back] >= 0xC0 else data
        self.rest = data[len(whole) :]
        return whole.decode(errors="replace")

    def peek(self) -> str:
        """Return the next character that is no space, without taking it; "" at the end."""
        if len(self.text) - self.at < MAX_VALUE:
            self.fill()
        while True:
            while self.at < len(self.text) and self.text[self.at] in SPACE:
                self.at += 1
            if self.at < len(self.text) or self.ended:
                return self.text[self.at : self.at + 1]
            self.fill()

    def take(self, marks: str) -> str:
        """Take the next character that is no space, which must be one of these."""
        found = self.peek()
        if not found or found not in marks:
            raise self.bad(f"has {found!r} where {' or '.join(marks)} belongs" if found else "is cut short")
        self.at += 1
        return found

    def value(self) -> Any:
        """Take one value of at most MAX_VALUE characters."""
        self.peek()
        if len(self.text) - self.at < MAX_VALUE:
            self.fill()
        try:
            found, self.at = self.scan(self.text, self.at)
        except (ValueError, StopIteration, RecursionError, ArithmeticError) as error:
            raise self.bad(f"is cut short, or no JSON: {str(error)[:100]}") from None
        return found

    def items(self) -> Iterator[Any]:
        """Take a list, one value at a time."""
        self.take("[")
        if self.peek() == "]":
            self.at += 1
            return
        while True:
            yield self.value()
            if self.take(",]") == "]":
                return

    def fields(self) -> Iterator[str]:
        """Take an object's keys; whoever asks for the next one has taken this one's value."""
        self.take("{")
        if self.peek() == "}":
            self.at += 1
            return
        while True:
            key = self.value()
            if not isinstance(key, str):
                raise self.bad("has a key that is no text")
            self.take(":")
            yield key
            if self.take(",}") == "}":
                return
