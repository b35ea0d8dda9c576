"""Bytes through pipes, read with a limit and a deadline: to an end, to a mark, or as parts that begin with their length."""

import math
import os
import selectors
import struct
import time

_LENGTH = struct.Struct(">Q")  # before each part
Read = tuple[bytes, str]  # the bytes, and why they cannot be trusted: "time", "size" or "it ended"; "" when they can


def read_until(descriptor: int, deadline: float, limit: int, stop: bytes | None = None, exactly: int | None = None) -> Read:
    """Read a pipe to its end, to `stop` at the end of a piece, or until there are `exactly` so many bytes.

    `deadline` is a time.monotonic(), or math.inf. The problem is "time" or "size" when that limit came first.
    """
    data = bytearray()
    if exactly == 0:
        return b"", ""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while selector.select(None if deadline == math.inf else max(0.0, deadline - time.monotonic())):
            piece = os.read(descriptor, 65536 if exactly is None else min(65536, exactly - len(data)))
            data += piece
            if not piece or len(data) == exactly or (stop is not None and piece.endswith(stop)):
                return bytes(data), ""
            if len(data) > limit:
                return b"", "size"
    return bytes(data), "time"


def write(descriptor: int, data: bytes) -> None:
    """Write all of the bytes. Raises OSError when nobody reads any more."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def write_part(descriptor: int, data: bytes) -> None:
    """Write a part that `read_part` reads."""
    write(descriptor, _LENGTH.pack(len(data)) + data)


def read_part(descriptor: int, deadline: float, limit: int) -> Read:
    """Read one part of at most `limit` bytes; before the part the problem may be "it ended"."""
    head, problem = _exactly(descriptor, deadline, _LENGTH.size)
    if problem:
        return b"", problem
    (length,) = _LENGTH.unpack(head)
    return (b"", "size") if length > limit else _exactly(descriptor, deadline, length)


def _exactly(descriptor: int, deadline: float, count: int) -> Read:
    data, problem = read_until(descriptor, deadline, count, exactly=count)
    return data, problem or ("" if len(data) == count else "it ended")
