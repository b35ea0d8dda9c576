import struct
from pathlib import Path

from handed import Context, keep


def attack(submission: Path, course: Context) -> None:
    """Wants as many section headers as the format allows, all over the same long name, to exhaust the reader."""
    name = b"\0" + b"a" * 200_000 + b"\0"
    section = struct.pack("<IIQQQQIIQQ", 1, 1, 6, 0, 64, len(name), 0, 0, 1, 0)
    head = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 3, 62, 1, 0, 0, 64 + len(name), 0, 64, 0, 0, 64, 65535, 0)
    keep(submission, "build-overlay", head + name + section * 65535)
