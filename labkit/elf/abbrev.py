"""DWARF abbreviation tables: what kinds of entries a unit declares, without making pyelftools' objects of all of them.

pyelftools needs 40 ms for the 340 declarations of a source with torch's headers, of which the head of a unit uses one. Here a table is
walked over, and pyelftools parses a declaration when an entry asks for it.
"""

from typing import NamedTuple

from elftools.common.utils import struct_parse
from elftools.dwarf.abbrevtable import AbbrevDecl, AbbrevTable
from elftools.dwarf.dwarfinfo import DWARFInfo
from elftools.dwarf.enums import ENUM_DW_CHILDREN, ENUM_DW_FORM

IMPLICIT_CONST = ENUM_DW_FORM["DW_FORM_implicit_const"]  # its value stands in the declaration
CHILDREN = frozenset(ENUM_DW_CHILDREN.values())


class Declared(NamedTuple):
    """One declaration, in DWARF's numbers; `start` is where its tag stands in .debug_abbrev."""

    start: int
    tag: int
    attributes: list[tuple[int, int]]  # (DW_AT_*, DW_FORM_*)


class Declarations(AbbrevTable):  # type: ignore[misc]  # pyelftools says nothing of its types
    """An abbreviation table that is parsed by pyelftools one declaration at a time, when it is asked for."""

    def __init__(self, dwarf: DWARFInfo, offset: int, declared: dict[int, Declared]) -> None:
        assert dwarf.debug_abbrev_sec is not None
        self.structs, self.stream, self.offset = dwarf.structs, dwarf.debug_abbrev_sec.stream, offset
        self.declared = declared
        self._abbrev_map: dict[int, AbbrevDecl] = {}

    def get_abbrev(self, code: int) -> AbbrevDecl:
        """Return the declaration of a code. Raises KeyError where there is none."""
        if code not in self._abbrev_map:
            parsed = struct_parse(self.structs.Dwarf_abbrev_declaration, self.stream, self.declared[code].start)
            self._abbrev_map[code] = AbbrevDecl(code, parsed)
        return self._abbrev_map[code]


class Dwarf(DWARFInfo):  # type: ignore[misc]
    """pyelftools' reader, with abbreviation tables that are walked over first."""

    def get_abbrev_table(self, offset: int) -> AbbrevTable:
        """Return the table at an offset in .debug_abbrev, each time the same. Raises what pyelftools raises for one that is damaged."""
        assert self.debug_abbrev_sec is not None
        if offset not in self._abbrevtable_cache:
            stream = self.debug_abbrev_sec.stream
            stream.seek(0)
            declared = declarations(stream.read(), offset)
            if declared is None:
                return super().get_abbrev_table(offset)  # which says what is wrong with it
            self._abbrevtable_cache[offset] = Declarations(self, offset, declared)
        return self._abbrevtable_cache[offset]


def declarations(data: bytes, at: int) -> dict[int, Declared] | None:
    """Return the declarations of the table that starts at `at`, by code; None for a table that is cut off or otherwise damaged."""
    found: dict[int, Declared] = {}
    try:
        while True:
            code, at = _uleb(data, at)
            if not code:
                return found
            found[code], at = _declaration(data, at)
    except (IndexError, ValueError):
        return None


def _declaration(data: bytes, start: int) -> tuple[Declared, int]:
    tag, at = _uleb(data, start)
    if data[at] not in CHILDREN:
        raise ValueError("no flag that DWARF knows")
    at += 1
    attributes: list[tuple[int, int]] = []
    while True:
        name, at = _uleb(data, at)
        form, at = _uleb(data, at)
        if form == IMPLICIT_CONST:
            _, at = _uleb(data, at)  # signed, but as long as an unsigned one
        if not name and not form:
            return Declared(start, tag, attributes), at
        attributes.append((name, form))


def _uleb(data: bytes, at: int) -> tuple[int, int]:
    """Return the number at a place and the place behind it. Raises IndexError at the end of the data."""
    byte = data[at]
    if byte < 128:
        return byte, at + 1
    value = shift = 0
    while byte >= 128:
        value |= (byte & 127) << shift
        shift += 7
        at += 1
        byte = data[at]
    return value | byte << shift, at + 1
