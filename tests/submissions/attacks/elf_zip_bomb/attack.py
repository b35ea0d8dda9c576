import struct
import zlib
from pathlib import Path

from handed import Context, keep, kept


def attack(submission: Path, course: Context) -> None:
    """Wants a compressed section to unpack to gigabytes; what unpacks to more than an overlay has is refused before it is unpacked."""
    data = bytearray(kept(submission, "build-overlay"))
    table, count = struct.unpack_from("<Q", data, 40)[0], struct.unpack_from("<H", data, 60)[0]
    bomb = zlib.compress(bytes(64 << 20), 9)
    for number in range(count - 8, count):
        size = 64 << 20 if number % 2 else 1000  # one says what it is, the next lies
        struct.pack_into("<Q", data, table + 64 * number + 8, 0x800)
        struct.pack_into("<QQ", data, table + 64 * number + 24, len(data), len(bomb) + 24)
        data += struct.pack("<IIQQ", 1, 0, size, 1) + bomb
    keep(submission, "build-overlay", bytes(data))
