"""DWARF line tables: which source files one names, and which line an address belongs to. Versions 2 to 5, bounded by the bytes there are.

Not pyelftools: it makes an object of every row (7 s for the wheel's largest unit), and lets a table claim 2^63 files of no bytes each.
"""

from dataclasses import dataclass

from labkit.elf.cursor import MAX_PATH, Cursor
from labkit.elf.image import Unreadable, text_at
from labkit.elf.unpacking import Content

FIXED = {0x0B: 1, 0x05: 2, 0x06: 4, 0x07: 8, 0x1E: 16}  # DW_FORM_data1, 2, 4, 8, 16: bytes
UDATA, STRING, STRP, LINE_STRP = 0x0F, 0x08, 0x0E, 0x1F  # DW_FORM_*
PATH, DIRECTORY = 1, 2  # DW_LNCT_*
EXTENDED, COPY, ADVANCE_PC, ADVANCE_LINE, SET_FILE, CONST_ADD_PC, FIXED_ADVANCE_PC = 0, 1, 2, 3, 4, 8, 9  # DW_LNS_*
MEANT = {COPY, ADVANCE_PC, ADVANCE_LINE, SET_FILE, CONST_ADD_PC, FIXED_ADVANCE_PC}  # the others change nothing that the course needs
END_SEQUENCE, SET_ADDRESS = 1, 2  # DW_LNE_*
Registers = tuple[int, int, int]  # of a line program: address, file, line
START = (0, 1, 1)
MAX_FILES, MAX_FORMATS = 5_000, 8


@dataclass(frozen=True)
class LineTable:
    """`files` are as the table numbers them, with their folders; the program is bytes `start` to `end` of .debug_line."""

    files: tuple[str, ...]
    start: int
    end: int
    step: int  # bytes of the shortest instruction
    line_base: int
    line_range: int
    lengths: bytes  # how many operands each standard opcode has, from opcode 1 on

    @property
    def first_special(self) -> int:
        """The smallest opcode that moves address and line at once."""
        return len(self.lengths) + 1

    @property
    def special(self) -> list[tuple[int, int]]:
        """By how much each opcode from the first special one on moves the address and the line."""
        numbers = (divmod(number, self.line_range) for number in range(256 - self.first_special))
        return [(address * self.step, self.line_base + line) for address, line in numbers]

    @property
    def short(self) -> dict[int, int]:
        """Most opcodes: those that make no row and leave the address alone, and the one byte of an operand that each has or has not."""
        idle = {opcode: length for opcode, length in enumerate(self.lengths, 1) if length < 2 and opcode not in MEANT}
        return idle | {opcode: 1 for opcode in (ADVANCE_LINE, SET_FILE) if opcode < self.first_special}


@dataclass(frozen=True)
class Texts:
    """The sections that line tables keep texts in."""

    line_str: bytes
    str: Content  # large, and gcc's line tables do without it


def line_table(data: bytes, at: int, texts: Texts) -> LineTable:
    """Read the head of the line table that starts at `at` in .debug_line. Raises Unreadable."""
    cursor = Cursor(data, at)
    length = cursor.number(4)
    end, version = cursor.at + length, cursor.number(2)
    if end > len(data) or not 2 <= version <= 5:
        raise Unreadable("a line table is damaged")
    cursor.at += 2 if version == 5 else 0  # sizes of an address and of a segment
    size = cursor.number(4)
    start = cursor.at + size
    step = cursor.number(1)
    cursor.at += 2 if version >= 4 else 1  # operations per instruction, and whether a row is a statement
    base, line_range, opcodes = cursor.number(1), cursor.number(1), cursor.number(1)
    if not line_range or not opcodes:
        raise Unreadable("a line table is damaged")
    lengths = bytes(cursor.number(1) for _ in range(opcodes - 1))
    files = _files_of_5(cursor, texts) if version == 5 else _files_before_5(cursor)
    return LineTable(tuple(files), start, end, step, base - 256 if base > 127 else base, line_range, lengths)


def line_at(data: bytes, table: LineTable, address: int) -> tuple[str, int] | None:
    """Return the file and line of the first row that starts at an address, None where there is none. Raises Unreadable."""
    here, file, line = START
    first, short, special = table.first_special, table.short, table.special
    cursor, at, padded = Cursor(data, table.start), table.start, data + b"\xff"
    while at < table.end:
        opcode, operand = padded[at], padded[at + 1]
        at += 1
        if opcode >= first:
            move, lines = special[opcode - first]
            here, line = here + move, line + lines
        elif opcode in short and operand < 128:
            at += short[opcode]
            if opcode == ADVANCE_LINE:
                line += operand - 128 if operand > 63 else operand
            elif opcode == SET_FILE:
                file = operand
            continue
        elif opcode != COPY:
            cursor.at = at
            here, file, line = _step((here, file, line), cursor, opcode, table)
            at = cursor.at
            continue
        if here == address:
            return (table.files[file] if file < len(table.files) else ""), line
    return None


def _step(now: Registers, cursor: Cursor, opcode: int, table: LineTable) -> Registers:
    """Do one opcode that makes no row."""
    address, file, line = now
    if opcode == ADVANCE_PC:
        address += cursor.uleb() * table.step
    elif opcode == ADVANCE_LINE:
        line += cursor.sleb()
    elif opcode == SET_FILE:
        file = cursor.uleb()
    elif opcode == CONST_ADD_PC:
        address += (255 - table.first_special) // table.line_range * table.step
    elif opcode == FIXED_ADVANCE_PC:
        address += cursor.number(2)
    elif opcode == EXTENDED:
        return _extended(now, cursor)
    else:
        for _ in range(table.lengths[opcode - 1]):
            cursor.uleb()
    return address, file, line


def _extended(now: Registers, cursor: Cursor) -> Registers:
    size = cursor.uleb()
    end, opcode = cursor.at + size, cursor.number(1)
    if opcode == SET_ADDRESS:
        now = (cursor.number(8), *now[1:])
    elif opcode == END_SEQUENCE:
        now = START
    cursor.at = max(end, cursor.at)
    return now


def _files_before_5(cursor: Cursor) -> list[str]:
    folders, files = [""], [""]  # file 0 does not exist, folder 0 is the one of the compilation
    while folder := cursor.text():
        folders.append(folder)
        _limit(folders)
    while name := cursor.text():
        number, _, _ = cursor.uleb(), cursor.uleb(), cursor.uleb()
        files.append(_joined(folders, number, name))
        _limit(files)
    return files


def _files_of_5(cursor: Cursor, texts: Texts) -> list[str]:
    folders = [name for name, _ in _entries(cursor, texts)]
    return [_joined(folders, number, name) for name, number in _entries(cursor, texts)]


def _entries(cursor: Cursor, texts: Texts) -> list[tuple[str, int]]:
    """Read a table of version 5, which says itself what each entry is made of: [(path, number of its folder)]."""
    formats = [(cursor.uleb(), cursor.uleb()) for _ in range(cursor.number(1))]
    count = cursor.uleb()
    if count > (MAX_FILES if 0 < len(formats) <= MAX_FORMATS else 0):
        raise Unreadable(f"a line table names {count:,} files")
    entries = []
    for _ in range(count):
        values = {content: _value(cursor, form, texts) for content, form in formats}
        path, folder = values.get(PATH, ""), values.get(DIRECTORY, 0)
        entries.append((path if isinstance(path, str) else "", folder if isinstance(folder, int) else 0))
    return entries


def _value(cursor: Cursor, form: int, texts: Texts) -> str | int:
    if form in FIXED:
        return cursor.number(FIXED[form])
    if form == UDATA:
        return cursor.uleb()
    if form == STRING:
        return cursor.text()
    if form == LINE_STRP:
        return text_at(texts.line_str, cursor.number(4), MAX_PATH)
    if form == STRP:
        start = cursor.number(4)
        return text_at(texts.str.upto(start + MAX_PATH), start, MAX_PATH)
    raise Unreadable("a line table is written in a form that the course does not read")


def _joined(folders: list[str], number: int, name: str) -> str:
    folder = folders[number] if number < len(folders) else ""
    return name if name.startswith("/") or not folder else f"{folder}/{name}"


def _limit(names: list[str]) -> None:
    if len(names) > MAX_FILES:
        raise Unreadable(f"a line table names more than {MAX_FILES:,} files")
