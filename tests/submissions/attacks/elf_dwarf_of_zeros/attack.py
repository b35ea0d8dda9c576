import struct
from pathlib import Path

from handed import Context, keep, kept


def attack(submission: Path, course: Context) -> None:
    """Wants debug information of the right size without content to pass, or to send the parser round in circles."""
    data = bytearray(kept(submission, "build-overlay"))
    table, count, names = struct.unpack_from("<Q", data, 40)[0], *struct.unpack_from("<HH", data, 60)
    texts = struct.unpack_from("<Q", data, table + 64 * names + 24)[0]
    for number in range(count):
        entry = table + 64 * number
        begins = texts + struct.unpack_from("<I", data, entry)[0]
        offset, size = struct.unpack_from("<QQ", data, entry + 24)
        if data[begins : begins + 11] in (b".debug_info", b".debug_abbr", b".debug_line"):
            data[offset : offset + size] = bytes(size)
    keep(submission, "build-overlay", bytes(data))
