"""How an input of the fuzzer is changed: bytes anywhere, bytes where an ELF file keeps them, values inside a JSON document."""

import json
import random
import struct
from collections.abc import Callable

from tools.fuzz_values import apply_edit, draw_edit

Mutate = Callable[[random.Random, bytes], bytes]
INTERESTING = (
    0, 1, 2, 3, 4, 7, 8, 15, 16, 63, 64, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1,
)  # fmt: skip
TOKENS = (
    b"\xff" * 9 + b"\x01", b"\x80" * 12, b"\x7fELF\x02\x01", b"\x50\xed\x55\xba", b"\x1f\x8b\x08", b"\0" * 16, b"NaN", b"1e999",
    b'"\\ud800"', b"[" * 40, b'{"a":' * 40,
)  # fmt: skip
MOST_BYTES = 1 << 20
SMALL = 8000  # bytes of a document


def of_json(draw: random.Random, data: bytes) -> bytes:
    """Change values of a JSON document, and sometimes its bytes; one that is none, or too deep to copy, is bytes only."""
    try:
        return _values_of(draw, data) if draw.random() < 0.85 else of_bytes(draw, data)
    except (ValueError, RecursionError):
        return of_bytes(draw, data)


def _values_of(draw: random.Random, data: bytes) -> bytes:
    document = json.loads(data)
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        document = apply_edit(document, draw_edit(draw, document, draw.choice(((), ("facts",))), small=len(data) < SMALL))
    return json.dumps(document).encode()


def of_bytes(draw: random.Random, data: bytes, low: int = 0, high: int | None = None) -> bytes:
    """Change bytes between two places: set, flip, cut out, insert, copy from elsewhere, cut off."""
    changed = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 4, 16))):
        end = min(high if high is not None else len(changed), len(changed))
        at = draw.randrange(low, end) if end > low else min(low, len(changed))
        _one_change(draw, changed, at)
    return bytes(changed[:MOST_BYTES])


def _one_change(draw: random.Random, changed: bytearray, at: int) -> None:
    size, kind = draw.choice((1, 2, 4, 8)), draw.randrange(10)
    if kind < 4:
        changed[at : at + size] = (draw.choice(INTERESTING) % 2 ** (8 * size)).to_bytes(size, draw.choice(("little", "little", "big")))
    elif kind < 6 and at < len(changed):
        changed[at] ^= 1 << draw.randrange(8)
    elif kind == 6:
        token = draw.choice(TOKENS)
        changed[at : at + draw.choice((0, len(token)))] = token
    elif kind == 7 and changed:
        start, length = draw.randrange(len(changed)), draw.choice((1, 4, 16, 64, 1024))
        changed[at : at + draw.choice((0, length))] = changed[start : start + length]
    elif kind == 8:
        del changed[at : at + draw.choice((1, 2, 8, 64, 4096))]
    elif draw.random() < 0.2:
        del changed[at:]
    else:
        changed[at : at + size] = draw.randbytes(size)


def of_elf(draw: random.Random, data: bytes) -> bytes:
    """Change an ELF file where it matters: a field of a section header, or what a section that is read holds."""
    table, count = (struct.unpack_from("<Q", data, 40)[0], struct.unpack_from("<H", data, 60)[0]) if len(data) >= 64 else (0, 0)
    at = table + 64 * draw.randrange(max(count, 1))
    if not count or at + 64 > len(data) or draw.random() < 0.1:
        return of_bytes(draw, data)
    offset, size = struct.unpack_from("<QQ", data, at + 24)
    if draw.random() < 0.3 or not size or offset + size > len(data):
        return of_bytes(draw, data, at, at + 64)
    return of_bytes(draw, data, offset, offset + size)


def of_answer(draw: random.Random, data: bytes) -> bytes:
    """Change an answer to the quiz, and let it be one to another question."""
    return bytes([draw.randrange(20)]) + of_json(draw, data[1:])
