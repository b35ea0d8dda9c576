"""DWARF abbreviation tables: what kinds of entries a unit declares, without making pyelftools' objects of all of them.

pyelftools needs 40 ms for the 340 declarations of a source with torch's headers, of which the head of a unit uses one. Here a regular expression
walks over a table, and pyelftools parses a declaration when an entry asks for it.
"""

import re
from typing import NamedTuple

from elftools.common.utils import struct_parse
from elftools.dwarf.abbrevtable import AbbrevDecl, AbbrevTable
from elftools.dwarf.dwarfinfo import DWARFInfo
from elftools.dwarf.enums import ENUM_DW_FORM

IMPLICIT_CONST = ENUM_DW_FORM["DW_FORM_implicit_const"]  # its value stands in the declaration
# `(?>(?:...)*)` and not `(?:...)*+`: before 3.11.5 Python's possessive repeat of a group also takes what its lookahead refuses (gh-106052).
# A number may be written longer than it need be. Nothing here goes back over what it has read, so hostile tables take no longer.
NUMBER, ZERO = rb"(?:[\x80-\xff]*+[\x00-\x7f])", rb"(?:\x80*+\x00)"
ATTRIBUTE = rb"(?!%b%b)%b(?:(?:\x21|\xa1\x80*+\x00)%b|%b)" % (ZERO, ZERO, NUMBER, NUMBER, NUMBER)
DECLARATION = re.compile(rb"(?!%b)(%b)(%b)[\x00\x01]((?>(?:%b)*))%b%b" % (ZERO, NUMBER, NUMBER, ATTRIBUTE, ZERO, ZERO))
LAST = re.compile(ZERO)


class Declared(NamedTuple):
    """One declaration, in DWARF's numbers; `start` is where its tag stands in .debug_abbrev."""

    start: int
    tag: int
    written: bytes  # its attributes

    @property
    def attributes(self) -> list[tuple[int, int]]:
        """(DW_AT_*, DW_FORM_*) of each attribute."""
        found, at = [], 0
        while at < len(self.written):
            name, at = _uleb(self.written, at)
            form, at = _uleb(self.written, at)
            if form == IMPLICIT_CONST:
                _, at = _uleb(self.written, at)  # signed, but as long as an unsigned one
            found.append((name, form))
        return found


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
    while match := DECLARATION.match(data, at):
        code, tag, written = match.groups()
        found[_uleb(code, 0)[0]] = Declared(match.start(2), _uleb(tag, 0)[0], written)
        at = match.end()
    return found if LAST.match(data, at) else None


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
