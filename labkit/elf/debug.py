"""DWARF as far as the course reads it: the head of each compile unit, what code belongs to it, and the files of its line table.

pyelftools reads the heads, from sections of a size that Image has bounded; what would let it run on is refused before it starts.
"""

import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from elftools.dwarf.compileunit import CompileUnit
from elftools.dwarf.dwarfinfo import DebugSectionDescriptor, DwarfConfig, DWARFInfo
from elftools.dwarf.enums import ENUM_DW_AT, ENUM_DW_FORM, ENUM_DW_TAG

from labkit.elf.abbrev import Declarations, Dwarf
from labkit.elf.image import Image, Ranges, Unreadable
from labkit.elf.lines import LineTable, Texts, line_at, line_table
from labkit.elf.unpacking import Stream

READ = ("info", "abbrev", "str", "line_str", "str_offsets", "addr")
SECTIONS = (
    "info", "aranges", "abbrev", "frame", "str", "loc", "ranges", "line", "pubtypes", "pubnames", "addr", "str_offsets", "line_str",
    "loclists", "rnglists", "sup", "types",
)  # fmt: skip
STRINGS = ("info", "str", "line_str")
WINDOW = 64 * 1024  # bytes; no text in debug information is longer than two of these
ARANGES_HEADER, ARANGE = struct.Struct("<IHIBB"), struct.Struct("<QQ")
# A unit's head holds numbers and texts. A block may claim to be as long as the section, which pyelftools reads byte by byte.
HEAD_FORMS = re.compile(r"DW_FORM_(addr.*|data\d+|udata|sdata|implicit_const|flag.*|sec_offset|str.*|line_strp|GNU_.*)")
MAX_HEAD_ATTRIBUTES = 40
MAX_KEPT_PATHS = 128 * 1024  # characters of a line table's files; the course's overlays have 20,000
LOCATION_LISTS, CALL_SITES = "location lists", "call sites"
OPTIMISED_TAGS = {ENUM_DW_TAG[name] for name in ("DW_TAG_call_site", "DW_TAG_GNU_call_site")}
IN_A_LIST = {(ENUM_DW_AT["DW_AT_location"], ENUM_DW_FORM[form]) for form in ("DW_FORM_sec_offset", "DW_FORM_loclistx")}
# Finds all of them, some others, and numbers that are written longer than they need be.
MAYBE_IN_A_LIST = re.compile(rb"|".join([*(re.escape(bytes(pair)) for pair in IN_A_LIST), rb"[\x80-\xff]\x00"]))
_READERS: WeakKeyDictionary[Image, DWARFInfo | None] = WeakKeyDictionary()
_LINE_TABLES: WeakKeyDictionary[Image, dict[int, LineTable]] = WeakKeyDictionary()  # by offset


@dataclass(frozen=True)
class Head:
    """The head of one compile unit, and what its declarations give away: DW_TAG_call_site and location lists are written only with -O."""

    offset: int  # in .debug_info
    name: str
    producer: str
    comp_dir: str
    is_cxx: bool
    lines: int | None  # where its line table starts in .debug_line
    traces: tuple[str, ...]


def dwarf_of(image: Image) -> DWARFInfo | None:
    """Return pyelftools' reader over the debug sections that the course reads, None where there is no debug information.

    An image has one reader, which lives as long as it does: half of a reader's time goes into declarations that it then remembers.
    """
    if image not in _READERS:
        _READERS[image] = _reader(image)
    return _READERS[image]


def _reader(image: Image) -> DWARFInfo | None:
    if ".debug_info" not in image.sections:
        return None
    given: dict[str, DebugSectionDescriptor | None] = dict.fromkeys((f"debug_{name}_sec" for name in SECTIONS), None)
    for name in READ:
        content = image.lazily(f".debug_{name}")
        stream = Stream(content, check_texts if name in STRINGS else bytes)
        given[f"debug_{name}_sec"] = DebugSectionDescriptor(stream, f".debug_{name}", 0, content.size, 0)
    config = DwarfConfig(little_endian=True, machine_arch=image.machine, default_address_size=8)
    return Dwarf(config=config, eh_frame_sec=None, gnu_debugaltlink_sec=None, **given)


def heads(dwarf: DWARFInfo) -> Iterator[Head]:
    """Yield the head of each compile unit. Raises whatever damaged bytes lead pyelftools to."""
    for unit in dwarf.iter_CUs():
        yield head(unit)


def head(unit: CompileUnit) -> Head:
    """Return the head of a compile unit."""
    check_head(unit)
    top = unit.get_top_DIE().attributes

    def text(name: str) -> str:
        value = top[name].value if name in top else b""
        return value.decode(errors="replace")[:2000] if isinstance(value, bytes) else ""

    lines, language = (top[name].value if name in top else None for name in ("DW_AT_stmt_list", "DW_AT_language"))
    producer = text("DW_AT_producer")
    is_cxx = language in (0x04, 0x1A, 0x21, 0x2B, 0x3A) or "C++" in producer  # C++ 98, 11, 14, 17, 20
    return Head(
        unit.cu_offset, text("DW_AT_name"), producer, text("DW_AT_comp_dir"), is_cxx,
        lines if isinstance(lines, int) else None, _traces(unit),
    )  # fmt: skip


def check_head(unit: CompileUnit) -> None:
    """Raise Unreadable when the first entry of a unit is not made of a few numbers and texts."""
    assert unit.dwarfinfo.debug_info_sec is not None
    stream = unit.dwarfinfo.debug_info_sec.stream
    stream.seek(unit.cu_die_offset)
    declaration = unit.get_abbrev_table().get_abbrev(unit.structs.the_Dwarf_uleb128.parse_stream(stream))
    forms = [form for _, form in declaration.iter_attr_specs()]
    if len(forms) > MAX_HEAD_ATTRIBUTES or not all(isinstance(form, str) and HEAD_FORMS.fullmatch(form) for form in forms):
        raise Unreadable("a compile unit has a head that no compiler writes")


def code_ranges(image: Image) -> list[tuple[int, int, int]]:
    """Return (address, bytes, offset of the unit in .debug_info) for all code with debug information, as .debug_aranges lists it."""
    data, at, found = image.content(".debug_aranges"), 0, []
    while at + ARANGES_HEADER.size <= len(data):
        length, _, unit, address_size, _ = ARANGES_HEADER.unpack_from(data, at)
        end = at + 4 + length
        if address_size != 8 or end > len(data) or length < ARANGES_HEADER.size:
            raise Unreadable("its .debug_aranges is damaged")
        pairs = data[at + 16 : at + 16 + (end - at - 16) // ARANGE.size * ARANGE.size]  # the header is filled up to 16 bytes
        found += [(start, size, unit) for start, size in ARANGE.iter_unpack(pairs) if size]
        at = end
    return found


def line_tables(image: Image, found: Iterable[Head]) -> list[LineTable]:
    """Return the line tables of units, without those that have none. Raises Unreadable."""
    return [_line_table(image, one.lines) for one in found if one.lines is not None]


def _line_table(image: Image, at: int) -> LineTable:
    """Return the line table at an offset in .debug_line; one that is small, as an overlay's is, stays with the image."""
    kept = _LINE_TABLES.setdefault(image, {})
    if at in kept:
        return kept[at]
    texts = Texts(image.content(".debug_line_str"), image.lazily(".debug_str"))
    table = line_table(image.content(".debug_line"), at, texts)
    if sum(map(len, table.files)) <= MAX_KEPT_PATHS:
        kept[at] = table
    return table


def place(image: Image, mangled: str) -> tuple[str, int] | None:
    """Return the source file and line that a function starts at, None without debug information of it. Raises Unreadable."""
    symbol = image.function(mangled)
    unit = Ranges(code_ranges(image)).at(symbol.address) if symbol else None
    dwarf = dwarf_of(image) if unit is not None else None
    if symbol is None or dwarf is None or unit is None:
        return None
    tables = line_tables(image, [head(dwarf.get_CU_at(unit))])
    return line_at(image.content(".debug_line"), tables[0], symbol.address) if tables else None


def check_texts(section: bytes) -> None:
    """Raise Unreadable when a text in here may have no end for a long time; cheap, because bytes.find is."""
    if any(section.find(b"\0", start, start + WINDOW) < 0 for start in range(0, len(section) - WINDOW, WINDOW)):
        raise Unreadable("its debug information has texts without an end")


def _traces(unit: CompileUnit) -> tuple[str, ...]:
    """Name what of an optimiser's work the unit's declarations show; unlike a section they stay when one is removed."""
    table = unit.get_abbrev_table()
    if not isinstance(table, Declarations):
        raise Unreadable("its declarations cannot be read")
    declared = table.declared.values()
    moving = any(MAYBE_IN_A_LIST.search(one.written) and not IN_A_LIST.isdisjoint(one.attributes) for one in declared)
    calls = any(declaration.tag in OPTIMISED_TAGS for declaration in declared)
    return (*([LOCATION_LISTS] if moving else []), *([CALL_SITES] if calls else []))
