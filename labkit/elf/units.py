"""Compile units of a small object file or library: what the compiler noted of its options, and the functions defined in each."""

import re
from dataclasses import dataclass

from elftools.dwarf.compileunit import CompileUnit
from elftools.dwarf.die import DIE

from labkit.elf.debug import check_head, dwarf_of
from labkit.elf.image import Image, Unreadable
from labkit.evidence import BadEvidence
from labkit.settled import once

MAX_UNITS = 16
MAX_SECTION_BYTES = 1024 * 1024  # together, unpacked: debug sections may be compressed
MAX_INFO_BYTES = 128 * 1024  # .debug_info holds the tree that is walked; a small source of one function has some hundred bytes
MAX_ABBREV_BYTES = 32 * 1024  # .debug_abbrev is parsed once per unit; all of torch's headers together make 12 KiB
MAX_CHILDREN = 20_000
MAX_KEPT_TEXT = 1024 * 1024  # characters of all names of a library


@dataclass(frozen=True)
class Unit:
    """One compile unit: its source name, the compiler's own account of its options, and the functions defined in it."""

    name: str
    producer: str
    functions: tuple[str, ...]

    @property
    def optimisation(self) -> str:
        """The -O option that was in force."""
        return optimisation(self.producer)


def _are_few(found: list[Unit]) -> bool:
    return sum(len(name) for unit in found for name in unit.functions) <= MAX_KEPT_TEXT


def optimisation(producer: str) -> str:
    """Return the -O option that was in force: the last one wins. gcc's default, and what no option means, is -O0."""
    options: list[str] = re.findall(r"(?<!\S)-O\S*", producer)
    return options[-1] if options else "-O0"


@once(keeps=_are_few)
def units(data: bytes, name: str) -> list[Unit]:
    """Return the compile units with debug information in a shared library, [] where there is none.

    Raises BadEvidence when the bytes are no readable library.
    """
    try:
        image = _library(data, name)
        dwarf = dwarf_of(image)
        return [] if dwarf is None else [_unit(cu) for _, cu in zip(range(MAX_UNITS), dwarf.iter_CUs(), strict=False)]
    except BadEvidence:
        raise
    except Unreadable as error:
        raise BadEvidence(f"{name}: {error}. Expected what the compiler wrote. Build it again.") from None
    except Exception as error:  # pyelftools raises whatever hostile bytes lead it to, from struct.error to MemoryError
        raise BadEvidence(f"{name}: it cannot be read as an ELF file ({type(error).__name__}). Expected what the compiler wrote.") from None


def code(data: bytes, name: str) -> bytes:
    """Return the machine code (.text) of a shared library. Raises BadEvidence when there is none."""
    try:
        text = _library(data, name).content(".text")
    except Unreadable as error:
        raise BadEvidence(f"{name}: {error}. Expected what the compiler wrote. Build it again.") from None
    if not text:
        raise BadEvidence(f"{name}: it is no shared library with code in it. Expected what the build made.")
    return text


@once(keeps=Image.is_small)
def _library(data: bytes, name: str) -> Image:
    image = Image(bytes(data), MAX_SECTION_BYTES)  # not a KeptFile itself: it would keep the image, and the image it
    if not image.is_library:
        raise BadEvidence(f"{name}: it is no shared library. Expected what the build made.")
    for section, limit in ((".debug_info", MAX_INFO_BYTES), (".debug_abbrev", MAX_ABBREV_BYTES)):
        size = image.sections[section].unpacked if section in image.sections else 0
        if size > limit:
            raise BadEvidence(f"{name}: {size:,} bytes of {section}. Expected at most {limit:,}, for one small source.")
    return image


def _unit(unit: CompileUnit) -> Unit:
    check_head(unit)
    top = unit.get_top_DIE()
    children = zip(range(MAX_CHILDREN), top.iter_children(), strict=False)
    functions = (_text(die, "DW_AT_name") for _, die in children if die.tag == "DW_TAG_subprogram" and "DW_AT_low_pc" in die.attributes)
    return Unit(_text(top, "DW_AT_name"), _text(top, "DW_AT_producer"), tuple(functions))


def _text(die: DIE, attribute: str) -> str:
    found = die.attributes.get(attribute)
    return found.value.decode(errors="replace")[:2000] if found is not None and isinstance(found.value, bytes) else ""
