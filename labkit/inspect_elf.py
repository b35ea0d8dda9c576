"""What a library of the learner's own installation is made of. Fast on libraries of hundreds of megabytes: only what is asked for is read."""

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from labkit.elf import fatbin, optimisation
from labkit.elf.debug import dwarf_of, heads, place
from labkit.elf.image import Image
from labkit.elf.names import unqualified
from labkit.messages import LearnerMessage


@dataclass(frozen=True)
class Library:
    """A library in figures. Without debug information the last three are "" and its sizes 0."""

    name: str
    size_bytes: int
    symtab: int  # symbols that a debugger can name; 0 when stripped
    exported_functions: int  # functions that other libraries can bind to, or replace
    debug_info_bytes: int  # unpacked
    debug_line_bytes: int  # unpacked
    build_id: str  # hex
    producer: str  # of the first C++ unit: the compiler and its options
    optimisation: str  # the -O option in force there
    comp_dir: str  # where it was compiled: what gdb looks for sources under


def inspect(path: Path) -> Library:
    """Return a library's figures. Raises LearnerMessage when the file is not there or no ELF file."""
    with _opened(path) as image:
        dwarf = dwarf_of(image)
        first = next((one for one in heads(dwarf) if one.is_cxx), None) if dwarf else None
        return Library(
            name=path.name,
            size_bytes=path.stat().st_size,
            symtab=image.symbol_count(".symtab"),
            exported_functions=sum(symbol.visible for symbol in image.functions(".dynsym")),
            debug_info_bytes=_unpacked(image, ".debug_info"),
            debug_line_bytes=_unpacked(image, ".debug_line"),
            build_id=image.build_id(),
            producer=first.producer if first else "",
            optimisation=optimisation(first.producer) if first else "",
            comp_dir=first.comp_dir if first else "",
        )


def exported(path: Path, function: str) -> list[str]:
    """Return the mangled names of the functions called `function` that other libraries can bind to. Raises LearnerMessage."""
    with _opened(path) as image:
        return [symbol.name for symbol in image.functions(".dynsym") if symbol.visible and unqualified(symbol.name) == function]


def local_symbols(path: Path, function: str) -> list[str]:
    """Return the mangled names of the functions called `function` that are there but hidden or static. Raises LearnerMessage."""
    with _opened(path) as image:
        return [symbol.name for symbol in image.functions(".symtab") if not symbol.visible and unqualified(symbol.name) == function]


def where(path: Path, mangled: str) -> tuple[str, int] | None:
    """Return the source file and line that a function starts at, None without debug information of it. Raises LearnerMessage."""
    with _opened(path) as image:
        return place(image, mangled)


def device_code(path: Path) -> tuple[fatbin.DeviceCode, ...]:
    """Return the GPU code in a library, () where there is none. Raises LearnerMessage."""
    with _opened(path) as image:
        return fatbin.device_code(image)


@contextmanager
def _opened(path: Path) -> Iterator[Image]:
    """Map a file into memory, so that only the parts that are looked at are read."""
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield Image(data)
    except OSError as error:
        raise LearnerMessage(f"{path.name} cannot be read: {error.strerror}.", "Is it the path of a library?") from None
    except ValueError as error:  # Unreadable, or an empty file, which cannot be mapped
        raise LearnerMessage(f"{path.name} cannot be read as a library: {error}.", "Is it the path of a library?") from None


def _unpacked(image: Image, name: str) -> int:
    return image.sections[name].unpacked if name in image.sections else 0
