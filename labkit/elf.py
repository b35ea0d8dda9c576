"""What an ELF file says of its own compilation: DWARF compile units, read with pyelftools. Works on hostile bytes in bounded time."""

import io
import re
from dataclasses import dataclass

from elftools.dwarf.die import DIE
from elftools.elf.elffile import ELFFile

from labkit.evidence import BadEvidence

MAX_UNITS = 64
MAX_SECTION_BYTES = 1024 * 1024  # together, unpacked: debug sections may be compressed
MAX_INFO_BYTES = 128 * 1024  # .debug_info holds the tree that is walked; a small source of one function has some hundred bytes
MAX_CHILDREN = 20_000


@dataclass(frozen=True)
class Unit:
    """One compile unit: its source name, the compiler's own account of its options, and the functions defined in it."""

    name: str
    producer: str
    functions: tuple[str, ...]

    @property
    def optimisation(self) -> str:
        """The -O option that was in force: the last one wins. gcc's default, and what no option means, is -O0."""
        options: list[str] = re.findall(r"(?<!\S)-O\S*", self.producer)
        return options[-1] if options else "-O0"


def units(data: bytes, name: str) -> list[Unit]:
    """Return the compile units with debug information in an object file or library, [] where there is none.

    Raises BadEvidence when the bytes are not a readable ELF file.
    """
    try:
        elf = ELFFile(io.BytesIO(data))
        if sum(int(section.data_size) for section in elf.iter_sections()) > MAX_SECTION_BYTES:
            raise BadEvidence(f"{name}: its sections unpack to more than {MAX_SECTION_BYTES:,} bytes. Expected what the compiler wrote.")
        info = elf.get_section_by_name(".debug_info")
        if info is not None and info.data_size > MAX_INFO_BYTES:
            raise BadEvidence(
                f"{name}: {info.data_size:,} bytes of debug information. Expected at most {MAX_INFO_BYTES:,}, for one small source."
            )
        if not elf.has_dwarf_info(strict=True):
            return []
        return [_unit(cu.get_top_DIE()) for _, cu in zip(range(MAX_UNITS), elf.get_dwarf_info().iter_CUs(), strict=False)]
    except BadEvidence:
        raise
    except Exception as error:  # pyelftools raises whatever hostile bytes lead it to, from struct.error to MemoryError
        raise BadEvidence(f"{name}: it cannot be read as an ELF file ({type(error).__name__}). Expected what the compiler wrote.") from None


def code(data: bytes, name: str) -> bytes:
    """Return the machine code (.text) of a shared library. Raises BadEvidence when there is none."""
    try:
        elf = ELFFile(io.BytesIO(data))
        text = elf.get_section_by_name(".text")
        if elf["e_type"] == "ET_DYN" and text is not None and 0 < text.data_size <= MAX_SECTION_BYTES:
            return bytes(text.data())
    except Exception as error:  # as above
        raise BadEvidence(f"{name}: it cannot be read as an ELF file ({type(error).__name__}).") from None
    raise BadEvidence(f"{name}: it is no shared library with code in it. Expected what the build made.")


def _unit(top: DIE) -> Unit:
    children = zip(range(MAX_CHILDREN), top.iter_children(), strict=False)
    functions = (_text(die, "DW_AT_name") for _, die in children if die.tag == "DW_TAG_subprogram" and "DW_AT_low_pc" in die.attributes)
    return Unit(_text(top, "DW_AT_name"), _text(top, "DW_AT_producer"), tuple(functions))


def _text(die: DIE, attribute: str) -> str:
    found = die.attributes.get(attribute)
    return found.value.decode(errors="replace")[:2000] if found is not None and isinstance(found.value, bytes) else ""
