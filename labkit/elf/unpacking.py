"""A section's bytes, unpacked as far as somebody reads.

An overlay has 1.3 MB of .debug_info, which zlib needs 5 ms for, and the course reads the 60 bytes at its beginning.
"""

import io
import struct
import zlib
from collections.abc import Callable

COMPRESSION_HEADER = struct.Struct("<IIQQ")
ZLIB = 1  # ch_type
FIRST = 64 * 1024  # bytes
AHEAD = 4096  # bytes; a unit's head has less than 1000


class Unreadable(ValueError):
    """The bytes are not what they should be. The text says what was seen, for a message to go on from."""


class Content:
    """The bytes of a section, of which there are `size`, or so a compressed one says. Raises Unreadable where that shows to be wrong.

    How far a compressed one is unpacked follows from the place alone: what was read before never decides whether damage is seen.
    """

    def __init__(self, name: str, raw: bytes, packed_size: int | None = None) -> None:
        self.name, self.size = name, len(raw) if packed_size is None else packed_size
        self._raw, self._known, self._rest = raw, raw, None if packed_size is None else b""  # no rest: all is known
        self._packed = packed_size is not None
        if packed_size is not None and COMPRESSION_HEADER.unpack_from(raw)[0] != ZLIB:
            raise Unreadable(f"{name} is compressed, but not with zlib")
        if packed_size is not None:
            self._begin()

    def upto(self, end: int) -> bytes:
        """Return at least the bytes before `end`, all where there are fewer."""
        if self._rest is not None and end > len(self._known):
            self._unpack(self.reach(end))
        return self._known

    def reach(self, end: int) -> int:
        """Return up to where `upto(end)` unpacks when nothing is known yet: a few large steps, because each moves all that is known and left."""
        step = max(FIRST, 1 << max(end.bit_length() - 3, 0)) if self._packed else max(self.size, 1)
        return min(-(-end // step) * step, self.size)

    def whole(self) -> bytes:
        """Return all bytes."""
        if self._rest is not None:
            self._unpack(self.size)
        return self._known

    def _begin(self) -> None:
        self._known, self._rest, self._decoder = b"", self._raw[COMPRESSION_HEADER.size :], zlib.decompressobj()

    def _unpack(self, end: int) -> None:
        try:
            piece = self._decoder.decompress(self._rest or b"", max(end - len(self._known), 1))  # 0 would mean all
        except zlib.error as error:
            self._begin()
            raise Unreadable(f"{self.name} does not unpack ({error})") from None
        if len(self._known) + len(piece) != end:
            self._begin()
            raise Unreadable(f"{self.name} unpacks to another size than it says")
        self._known += piece
        self._rest = self._decoder.unconsumed_tail if end < self.size else None


class Stream:
    """A section as pyelftools reads one: from a place on. `check` sees all that is unpacked before anybody reads it, and may raise."""

    def __init__(self, content: Content, check: Callable[[bytes], object]) -> None:
        self._content, self._check, self._stream, self._known = content, check, io.BytesIO(), 0

    def seek(self, at: int) -> int:
        """Go to a place. Raises Unreadable for damage there, which pyelftools would not let through while it reads."""
        self._reach(at + AHEAD)
        return self._stream.seek(at)

    def tell(self) -> int:
        """Return the place."""
        return self._stream.tell()

    def read(self, size: int = -1) -> bytes:
        """Return the bytes from here on, fewer than `size` at the end. Raises Unreadable."""
        self._reach(self._stream.tell() + size if size >= 0 else self._content.size)
        return self._stream.read(size)

    def _reach(self, end: int) -> None:
        if min(end, self._content.size) > self._known:
            # no more than this place alone would unpack: what was read before shall not decide what `check` sees
            known, at = self._content.upto(end)[: self._content.reach(end)], self._stream.tell()
            self._check(known)
            self._stream, self._known = io.BytesIO(known), len(known)
            self._stream.seek(at)
