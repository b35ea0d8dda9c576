"""What a submitted overlay library says of itself: one source of vLLM, built for debugging. Hostile bytes are read in bounded time."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from elftools.dwarf.dwarfinfo import DWARFInfo

from labkit.elf import optimisation
from labkit.elf.debug import CALL_SITES, LOCATION_LISTS, Head, code_ranges, dwarf_of, head, line_tables, place
from labkit.elf.fatbin import DeviceCode, device_code
from labkit.elf.image import NEEDED, SONAME, Image, Ranges, Symbol, Unreadable
from labkit.elf.prologue import FRAME_WITHIN, framed_share, stores_arguments
from labkit.evidence import BadEvidence
from labkit.settled import once

MIB = 1024 * 1024
MAX_UNPACKED = 24 * MIB  # bytes of all sections; a torch source without optimisation has about 6 MiB
LIMITS = {".debug_abbrev": 32 * 1024, ".debug_aranges": MIB, ".debug_line": 4 * MIB, ".symtab": 2 * MIB, ".dynsym": 2 * MIB}  # bytes
MAX_UNITS = 8  # an overlay is one source, on the CUDA lane two
MAX_KEPT_TEXT = 4 * MIB  # characters of all names together; the course's overlays have 0.2 million
PROLOGUE_BYTES = 64
FRAMED = 0.98  # share of a unit's functions; measured: all of them without optimisation, though virtual thunks would have no frame


@dataclass(frozen=True)
class OverlayUnit:
    """One compile unit. `source` is as the compiler noted it; nvcc's is a temporary file named after the .cu file.

    `functions` are the mangled names of all functions whose code belongs to it; `traces` is what only an optimiser makes a compiler write.
    """

    source: str
    producer: str
    optimisation: str
    functions: tuple[str, ...] = field(repr=False)
    traces: tuple[str, ...]
    framed_share: float  # of its functions, 0 to 1: how many keep a frame pointer


@dataclass(frozen=True)
class OverlayFacts:
    """What an overlay library says of itself. All of it can be forged by somebody who wants to; see `traces_of_optimisation`."""

    name: str
    machine: str  # "x86-64", "aarch64"
    build_id: str  # hex, "" without one
    soname: str
    exports: tuple[str, ...] = field(repr=False)  # mangled names of the functions that other libraries can bind to
    needed: tuple[str, ...]
    units: tuple[OverlayUnit, ...]
    has_location_lists: bool  # .debug_loclists or .debug_loc: gcc writes them only when it optimises
    line_files: tuple[str, ...] = field(repr=False)  # source files that the line tables name
    device: tuple[DeviceCode, ...]

    def is_small(self) -> bool:
        """Say whether its names, nearly all that it needs memory for, are short enough together to be kept for the next check."""
        own = (self.exports, self.needed, self.line_files)
        parts = (*own, *(unit.functions for unit in self.units), *(code.sections for code in self.device))
        return sum(len(name) for part in parts for name in part) <= MAX_KEPT_TEXT

    def unit_of(self, mangled: str) -> OverlayUnit | None:
        """Return the unit that a function's code belongs to, None for code without debug information."""
        return next((unit for unit in self.units if mangled in unit.functions), None)


@once(keeps=OverlayFacts.is_small)
def read_overlay(data: bytes, name: str) -> OverlayFacts:
    """Return what a shared library says of itself. Raises BadEvidence when it is no library, or larger inside than an overlay is."""
    with _explained(name):
        image = _library(data)
        dwarf = dwarf_of(image)
        found = [] if dwarf is None else _heads(dwarf)
        return OverlayFacts(
            name=name,
            machine=image.machine,
            build_id=image.build_id(),
            soname=next(iter(image.dynamic(SONAME)), ""),
            exports=tuple(symbol.name for symbol in image.functions(".dynsym") if symbol.visible),
            needed=tuple(image.dynamic(NEEDED)),
            units=tuple(_units(image, found)),
            has_location_lists=any(image.content(section) for section in (".debug_loclists", ".debug_loc")),
            line_files=_line_files(image, found),
            device=device_code(image),
        )


def prologue(data: bytes, mangled: str, name: str) -> bytes:
    """Return the first bytes of a function's machine code, at most 64. Raises BadEvidence when the library does not define it."""
    with _explained(name):
        image = _library(data)
        symbol = image.function(mangled)
        if symbol is not None:
            return image.code_at(symbol.address, min(symbol.size or PROLOGUE_BYTES, PROLOGUE_BYTES))
    raise BadEvidence(f"{name}: it does not define {mangled}. Expected the function that the overlay replaces. Which source did you build?")


def starts_at(data: bytes, mangled: str, name: str) -> tuple[str, int] | None:
    """Return the source file and line that a function starts at, None without debug information of it. Raises BadEvidence."""
    with _explained(name):
        return place(_library(data), mangled)


def named(data: bytes, wanted: Iterable[str], name: str) -> set[str]:
    """Return those of some names, of variables say, that a library's debug information has. Raises BadEvidence."""
    with _explained(name):
        strings = _library(data).content(".debug_str")
        return {one for one in wanted if one.encode() + b"\0" in strings}  # linkers let one string be the end of another


def looks_unoptimised(facts: OverlayFacts, start: bytes) -> bool | None:
    """Say whether a function with arguments starts as unoptimised code does; None on a machine whose code the course cannot read."""
    return stores_arguments(start) if facts.machine == "x86-64" else None


def traces_of_optimisation(facts: OverlayFacts, data: bytes, mangled: str) -> tuple[str, ...]:
    """Return what in the library speaks against -O0 for one function with arguments; () when nothing does. Raises BadEvidence.

    The compiler's note is the first to look at and the easiest to change; location lists, call sites and machine code follow from
    the optimiser's work.
    """
    unit = facts.unit_of(mangled)
    if unit is None:
        return ("no debug information of it",)
    found = [f"the compiler noted {unit.optimisation}"] if unit.optimisation != "-O0" else []
    found += [LOCATION_LISTS] if facts.has_location_lists or LOCATION_LISTS in unit.traces else []
    found += [CALL_SITES] if CALL_SITES in unit.traces else []
    if facts.machine == "x86-64" and unit.framed_share < FRAMED:
        found.append(f"only {unit.framed_share:.0%} of the functions keep a frame")
    if looks_unoptimised(facts, prologue(data, mangled, facts.name)) is False:
        found.append("its arguments stay in registers")
    return tuple(found)


def has_device_debug(code: DeviceCode) -> bool:
    """Say whether a cubin was built with -G: its sections say so, or where they are compressed, nvcc's note on it."""
    return code.debug and (code.compressed or any(section == ".debug_info" for section in code.sections))


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn what is wrong with a library into a message about it."""
    expected = "Expected a library as the linker wrote it. Build the overlay again, then run the cell that records it."
    try:
        yield
    except BadEvidence:
        raise
    except Unreadable as error:
        raise BadEvidence(f"{name}: {error}. {expected}") from None
    except Exception as error:  # hostile bytes lead pyelftools to anything, from struct.error to MemoryError
        raise BadEvidence(f"{name}: it cannot be read as a library ({type(error).__name__}). {expected}") from None


@once(keeps=Image.is_small)
def _library(data: bytes) -> Image:
    image = Image(bytes(data), MAX_UNPACKED)  # not a KeptFile itself: it would keep the image, and the image it
    if not image.is_library:
        raise Unreadable("it is no shared library")
    for name, limit in LIMITS.items():
        if name in image.sections and image.sections[name].unpacked > limit:
            raise Unreadable(f"{image.sections[name].unpacked:,} bytes of {name}, more than {limit:,}")
    return image


def _heads(dwarf: DWARFInfo) -> list[Head]:
    found: list[Head] = []
    for unit in dwarf.iter_CUs():
        if len(found) == MAX_UNITS:
            raise Unreadable(f"more than {MAX_UNITS} compile units")
        found.append(head(unit))
    return found


def _units(image: Image, found: list[Head]) -> Iterator[OverlayUnit]:
    units = Ranges(code_ranges(image))
    owned: dict[int | None, list[Symbol]] = {}
    for symbol in image.functions(".symtab") or image.functions(".dynsym"):
        owned.setdefault(units.at(symbol.address), []).append(symbol)
    for one in found:
        functions = owned.get(one.offset, [])
        share = framed_share(image.code_at(symbol.address, FRAME_WITHIN) for symbol in functions)
        names = tuple(symbol.name for symbol in functions)
        yield OverlayUnit(one.name, one.producer, optimisation(one.producer), names, one.traces, share)


def _line_files(image: Image, found: list[Head]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(path for table in line_tables(image, found) for path in table.files if path))
