"""The sections and symbols of a 64-bit ELF file, in time and memory that its size bounds, whatever it says of itself.

Not pyelftools: it builds a section from what the section claims, and one that claims to be a hash table of 2^32 buckets keeps
it busy for minutes. It also reads a wheel's 48 MB of location lists to say what the compiler was called.
"""

import mmap
import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from labkit.elf.unpacking import COMPRESSION_HEADER, Content
from labkit.elf.unpacking import Unreadable as Unreadable

Buffer = bytes | mmap.mmap

FILE_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SECTION_HEADER = struct.Struct("<IIQQQQIIQQ")
SYMBOL = struct.Struct("<IBBHQQ")
DYNAMIC_ENTRY = struct.Struct("<QQ")
ELF64_LITTLE_ENDIAN = b"\x7fELF\x02\x01"
MACHINES = {62: "x86-64", 183: "aarch64", 190: "cuda"}
NO_BITS, COMPRESSED, EXECUTABLE = 8, 0x800, 0x4  # sh_type, sh_flags, sh_flags
FUNCTION, LOCAL, VISIBLE = 2, 0, (0, 3)  # st_info's type and binding; st_other: default and protected
NEEDED, SONAME = 1, 14  # tags of .dynamic
NOTE_HEADER = struct.Struct("<III")
MAX_UNPACKED = 1024 * 1024 * 1024  # bytes of all sections; what reads strangers' files sets its own
MAX_KEPT = 8 * 1024 * 1024  # bytes of all sections, unpacked; the course's own have up to 4.5 MiB
MAX_SYMBOLS = 200_000
MAX_TEXT = 8192  # bytes of one name; C++ templates have names of some thousand
MAX_SECTION_NAME, MAX_LIBRARIES = 1024, 256  # bytes; names in .dynamic
MAX_NAME_BYTES = 32 * 1024 * 1024  # names of one table together: a hostile table lets all of them share one long string


@dataclass(frozen=True)
class Section:
    """One section: where its bytes lie in the file, and how many there are once unpacked."""

    name: str
    kind: int
    flags: int
    address: int
    offset: int
    size: int  # bytes in the file
    link: int
    unpacked: int  # bytes


class Symbol(NamedTuple):
    """One function that the file defines. `visible` is what other libraries can bind to or replace."""

    name: str
    address: int
    size: int  # bytes
    visible: bool


class Ranges:
    """Values by address range, such as the unit of each stretch of code."""

    def __init__(self, ranges: list[tuple[int, int, int]]) -> None:
        self._ranges = sorted(ranges)
        self._starts = [start for start, _, _ in self._ranges]

    def at(self, address: int) -> int | None:
        """Return the value of the last range that starts at or before the address, if it reaches there."""
        found = self._ranges[bisect_right(self._starts, address) - 1] if self._starts else (0, 0, 0)
        return found[2] if found[0] <= address < found[0] + found[1] else None


class Image:
    """An ELF file. Raises Unreadable when it is none, or when its sections unpack to more than `max_unpacked` bytes together."""

    def __init__(self, data: Buffer, max_unpacked: int = MAX_UNPACKED) -> None:
        self._data = data
        if len(data) < FILE_HEADER.size or data[:6] != ELF64_LITTLE_ENDIAN:
            raise Unreadable("it is not a 64-bit ELF file")
        _, kind, machine, _, _, _, table, _, _, _, _, entry, count, names = FILE_HEADER.unpack_from(data)
        if count and entry != SECTION_HEADER.size:
            raise Unreadable(f"its section headers have {entry} bytes each")
        if table + count * SECTION_HEADER.size > len(data):
            raise Unreadable("it is cut off: its section headers lie outside")
        self.is_library = kind == 3  # ET_DYN
        self.machine = MACHINES.get(machine, f"machine {machine}")
        self._compressed: dict[Section, Content] = {}
        self._all = self._sections(table, count, names)
        self.sections: dict[str, Section] = {}
        for section in self._all:
            self.sections.setdefault(section.name, section)  # of two with one name the first counts, as for gdb
        code = [i for i, section in enumerate(self._all) if section.flags & EXECUTABLE and section.kind != NO_BITS]
        self._code = Ranges([(self._all[i].address, self._all[i].size, i) for i in code])
        self.unpacked = sum(section.unpacked for section in self._all)
        if self.unpacked > max_unpacked:
            raise Unreadable(f"its sections unpack to {self.unpacked:,} bytes")

    def is_small(self) -> bool:
        """Say whether it may be kept, with what was unpacked of it, for the next check that reads the same library."""
        return self.unpacked <= MAX_KEPT

    def content(self, name: str) -> bytes:
        """Return the unpacked bytes of a section, b"" where there is none. Raises Unreadable when they do not unpack."""
        return self.lazily(name).whole()

    def lazily(self, name: str) -> Content:
        """Return a section, empty where there is none, for who may not need all of it. Raises Unreadable."""
        return self._lazily(self.sections[name]) if name in self.sections else Content(name, b"")

    def functions(self, table: str) -> list[Symbol]:
        """Return the functions that `table` (".symtab" or ".dynsym") defines, in its order. Raises Unreadable."""
        return list(self._functions(self.sections[table])) if table in self.sections else []

    def function(self, mangled: str) -> Symbol | None:
        """Return the function of that mangled name, exported or not, None where the file does not define it. Raises Unreadable."""
        return next((symbol for table in (".dynsym", ".symtab") for symbol in self.functions(table) if symbol.name == mangled), None)

    def symbol_count(self, table: str) -> int:
        """Return the number of symbols in a table, 0 where there is none."""
        return self.sections[table].unpacked // SYMBOL.size if table in self.sections else 0

    def dynamic(self, tag: int) -> list[str]:
        """Return the names that the dynamic section gives under a tag, such as NEEDED."""
        section = self.sections.get(".dynamic")
        if section is None or section.link >= len(self._all):
            return []
        names, content = self._content(self._all[section.link]), self._content(section)
        entries = DYNAMIC_ENTRY.iter_unpack(content[: len(content) // 16 * 16])
        return [text_at(names, value) for value in islice((value for found, value in entries if found == tag), MAX_LIBRARIES)]

    def build_id(self) -> str:
        """Return the build-id that the linker wrote, as hex, "" where there is none."""
        note = self.content(".note.gnu.build-id")
        if len(note) < NOTE_HEADER.size:
            return ""
        owner, length, _ = NOTE_HEADER.unpack_from(note)
        start = NOTE_HEADER.size + (owner + 3) // 4 * 4
        return note[start : start + min(length, 64)].hex()

    def code_at(self, address: int, size: int) -> bytes:
        """Return at most `size` bytes of machine code at an address, b"" where there is no code."""
        found = self._code.at(address)
        if found is None:
            return b""
        section = self._all[found]
        start = section.offset + address - section.address
        return bytes(self._data[start : min(start + size, section.offset + section.size)])

    def _sections(self, table: int, count: int, names: int) -> list[Section]:
        headers = [SECTION_HEADER.unpack_from(self._data, table + i * SECTION_HEADER.size) for i in range(count)]
        texts = self._data[headers[names][4] : headers[names][4] + headers[names][5]] if names < count else b""
        return [self._section(texts, *header[:7]) for header in headers]

    def _section(self, texts: bytes, name: int, kind: int, flags: int, address: int, offset: int, size: int, link: int) -> Section:
        here = size if kind != NO_BITS else 0
        if offset + here > len(self._data) and here:
            raise Unreadable("it is cut off: a section lies outside")
        unpacked = size
        if flags & COMPRESSED and here >= COMPRESSION_HEADER.size:
            unpacked = COMPRESSION_HEADER.unpack_from(self._data, offset)[2]
        return Section(text_at(texts, name, MAX_SECTION_NAME), kind, flags, address, offset, here, link, unpacked)

    def _content(self, section: Section) -> bytes:
        return self._lazily(section).whole()

    def _lazily(self, section: Section) -> Content:
        if section in self._compressed:  # several readers want .debug_str, and unpacking it is most of their work
            return self._compressed[section]
        raw = bytes(self._data[section.offset : section.offset + section.size])
        if not section.flags & COMPRESSED or len(raw) < COMPRESSION_HEADER.size:
            return Content(section.name, raw)
        self._compressed[section] = Content(section.name, raw, section.unpacked)
        return self._compressed[section]

    def _functions(self, table: Section) -> Iterator[Symbol]:
        if table.unpacked // SYMBOL.size > MAX_SYMBOLS or table.link >= len(self._all):
            raise Unreadable(f"its {table.name} lists {table.unpacked // SYMBOL.size:,} symbols")
        content, names, used = self._content(table), self._content(self._all[table.link]), 0
        for name, info, other, section, address, size in SYMBOL.iter_unpack(content[: len(content) // SYMBOL.size * SYMBOL.size]):
            if info & 15 == FUNCTION and section:
                text = text_at(names, name)
                used += len(text)
                if used > MAX_NAME_BYTES:
                    raise Unreadable(f"the names in its {table.name} are longer than {MAX_NAME_BYTES:,} bytes together")
                yield Symbol(text, address, size, info >> 4 != LOCAL and other & 3 in VISIBLE)


def text_at(texts: bytes, start: int, limit: int = MAX_TEXT) -> str:
    """Return the text that ends with a zero byte, at most `limit` bytes of it, "" outside."""
    end = texts.find(b"\0", start, start + limit)
    return texts[start : end if end >= 0 else start + limit].decode(errors="replace")
