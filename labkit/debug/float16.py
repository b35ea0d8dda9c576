"""The numbers behind 16 bits, as a debugger prints them."""

import struct
from types import EllipsisType
from typing import Any

from labkit.answers import answered
from labkit.messages import LearnerMessage


def float16(bits: Any) -> list[float] | EllipsisType:
    """Return the four `float16` numbers that four bit patterns stand for, `...` while one of them still is `...`.

    A pattern may be text, such as "0x3c00". Raises LearnerMessage for what is no four patterns.
    """
    if not answered(bits):
        return ...
    try:
        patterns = [int(word, 0) if isinstance(word, str) else word for word in bits] if isinstance(bits, list | tuple) else []
        return list(struct.unpack("<4e", struct.pack("<4H", *patterns)))
    except (ValueError, struct.error):
        raise LearnerMessage(
            "BITS are not four numbers below 0x10000.", "Write them as cuda-gdb printed them, without quotes: [0x3c00, …]."
        ) from None
