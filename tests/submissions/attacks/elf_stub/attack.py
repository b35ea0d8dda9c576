import struct
from pathlib import Path

from handed import Context, keep

NAMES = (".text", ".symtab", ".dynsym", ".debug_info", ".debug_line", ".debug_abbrev", ".note.gnu.build-id", ".shstrtab")


def attack(submission: Path, course: Context) -> None:
    """Wants a library that has nothing but the right section names to pass; the function, its lines and its code are looked for."""
    texts = b"\0" + b"\0".join(name.encode() for name in NAMES) + b"\0"
    body = b"\x55" * 4096 + texts
    table = b""
    for name in NAMES:
        here, size = (64 + 4096, len(texts)) if name == ".shstrtab" else (64, 4096)
        table += struct.pack("<IIQQQQIIQQ", texts.index(name.encode()), 1, 6, 0, here, size, 0, 0, 1, 0)
    head = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 3, 62, 1, 0, 0, 64 + len(body), 0, 64, 0, 0, 64, len(NAMES), len(NAMES) - 1
    )
    keep(submission, "build-overlay", head + body + table)
