"""Abbreviation tables are walked as pyelftools parses them, whatever the bytes are."""

import io

from elftools.common.exceptions import ELFParseError
from elftools.dwarf.abbrevtable import AbbrevTable
from elftools.dwarf.enums import ENUM_DW_AT, ENUM_DW_FORM, ENUM_DW_TAG
from elftools.dwarf.structs import DWARFStructs
from hypothesis import given
from hypothesis import strategies as st

from labkit.elf.abbrev import declarations
from labkit.elf.debug import IN_A_LIST, MAYBE_IN_A_LIST

STRUCTS = DWARFStructs(little_endian=True, dwarf_format=32, address_size=8, dwarf_version=5)
NAMES = [{number: name for name, number in table.items() if isinstance(number, int)} for table in (ENUM_DW_TAG, ENUM_DW_AT, ENUM_DW_FORM)]
LIKELY = st.sampled_from([0, 0, 0, 1, 1, 2, 0x11, 0x17, 0x21, 0x22, 0x48, 0x7F, 0x80, 0xFF])


@given(st.lists(LIKELY | st.integers(0, 255), max_size=60), st.integers(0, 3))
def test_a_table_is_walked_as_pyelftools_parses_it(numbers, at):
    data = bytes(numbers)
    try:
        table = AbbrevTable(STRUCTS, io.BytesIO(data), at)
    except ELFParseError:
        assert declarations(data, at) is None
        return
    found = declarations(data, at)
    assert found is not None
    tags, attributes, forms = NAMES
    assert {
        code: (tags.get(one.tag, one.tag), [(attributes.get(a, a), forms.get(f, f)) for a, f in one.attributes])
        for code, one in found.items()
    } == {code: (one["tag"], list(one.iter_attr_specs())) for code, one in table._abbrev_map.items()}
    for code, one in found.items():
        again = STRUCTS.Dwarf_abbrev_declaration.parse(data[one.start :])
        assert list(again.attr_spec) == list(table.get_abbrev(code)["attr_spec"])


@given(st.lists(st.sampled_from([b"\x01", b"\x02", b"\x82\x00", b"\x17", b"\x22", b"\xa2\x80\x00", b"\x83\x01"]), max_size=8))
def test_a_location_in_a_list_is_never_overlooked(numbers):
    found = declarations(b"\x01\x34\x00" + b"".join(numbers) + (b"\x01" if len(numbers) % 2 else b"") + b"\0\0\0", 0)
    assert found is not None
    assert IN_A_LIST.isdisjoint(found[1].attributes) or MAYBE_IN_A_LIST.search(found[1].written)
