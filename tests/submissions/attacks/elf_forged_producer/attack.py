import struct
import zlib
from pathlib import Path

from handed import Context, facts, keep, kept, record


def attack(submission: Path, course: Context) -> None:
    """Wants an -O2 library whose compiler's note says -O0 to pass as Debug; machine code, location lists and call sites tell."""
    data = bytearray(kept(submission, "exercises-builds", 1).replace(b"RelWithDebInfo.so", b"Debug.so\0\0\0\0\0\0\0\0\0"))
    data = bytearray(bytes(data).replace(b"_RelWithDebInfo\0", b"_Debug\0\0\0\0\0\0\0\0\0\0"))
    table, count = struct.unpack_from("<Q", data, 40)[0], struct.unpack_from("<H", data, 60)[0]
    for number in range(count):
        entry = table + 64 * number
        flags, offset, size = (struct.unpack_from("<Q", data, entry + place)[0] for place in (8, 24, 32))
        if flags & 0x800 and b"-O2" in (text := zlib.decompress(data[offset + 24 : offset + size])):
            packed = data[offset : offset + 24] + zlib.compress(text.replace(b"-O2", b"-O0"), 9)
            struct.pack_into("<QQ", data, entry + 24, len(data), len(packed))
            data += packed
    mapped = dict(record(submission, "exercises-speed")["facts"]["mapped"])
    mine = bytes.fromhex(mapped["RelWithDebInfo.so"])[::-1]
    keep(submission, "exercises-builds", bytes(data).replace(mine[::-1], mine), 0)
    facts(submission, "exercises-speed", mapped=[*({**mapped, "Debug.so": mine.hex()}).items()])
