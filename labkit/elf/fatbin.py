"""GPU code inside a host library: the fat binaries that nvcc puts into .nv_fatbin, read without NVIDIA's tools."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from labkit.elf.image import Image, Unreadable

MAGIC = b"\x50\xed\x55\xba"
CONTAINER = struct.Struct("<IHHQ")  # magic, version, bytes of this header, bytes after it
ENTRY = struct.Struct("<HHIQIIHHIIIQQQ")  # 64 bytes; a source name may follow
PTX, CUBIN = 1, 2
DEVICE_DEBUG, PACKED = 0x2, 0xA000  # flags, as nvcc 13.0 sets them: -G; LZ4 or Zstandard
MAX_ENTRIES, MAX_SECTIONS = 4096, 20_000  # a source of vLLM has some ten kernels, with four sections each


@dataclass(frozen=True)
class DeviceCode:
    """GPU code for one architecture.

    `debug` says whether nvcc noted -G (-lineinfo does not set it); `source` is the .cu file that it noted, "" unless -G or -lineinfo was given.
    `sections` are those of the cubin, () for PTX and for compressed code, which needs NVIDIA's cuobjdump.
    """

    kind: str  # "cubin" or "ptx"
    arch: str  # "sm_90"
    debug: bool
    compressed: bool
    source: str
    size_bytes: int  # unpacked
    sections: tuple[str, ...]


def device_code(image: Image) -> tuple[DeviceCode, ...]:
    """Return the GPU code of a library, () where there is none. Raises Unreadable."""
    fatbin = image.content(".nv_fatbin")
    found: list[DeviceCode] = []
    sections = 0
    for start, end in _containers(fatbin):
        for code in _entries(fatbin, start, end):
            found.append(code)
            sections += len(code.sections)
            if len(found) > MAX_ENTRIES or sections > MAX_SECTIONS:
                raise Unreadable(f"more than {MAX_ENTRIES:,} pieces of GPU code, or {MAX_SECTIONS:,} sections in them")
    return tuple(found)


def _containers(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield where the entries of each fat binary start and end."""
    at = data.find(MAGIC)
    while at >= 0:
        if at + CONTAINER.size > len(data):
            raise Unreadable("its GPU code is cut off")
        _, _, header, size = CONTAINER.unpack_from(data, at)
        start, end = at + max(header, CONTAINER.size), at + header + size
        if end > len(data):
            raise Unreadable("its GPU code is cut off")
        yield start, end
        at = data.find(MAGIC, max(start, end))


def _entries(data: bytes, at: int, end: int) -> Iterator[DeviceCode]:
    while at + ENTRY.size <= end:
        kind, _, header, size, _, _, _, _, arch, name_at, name_size, flags, _, unpacked = ENTRY.unpack_from(data, at)
        body = at + max(header, ENTRY.size)
        if body + size > end:
            raise Unreadable("its GPU code is cut off")
        if kind in (PTX, CUBIN):
            packed = bool(flags & PACKED)
            name = data[at + name_at : at + min(name_at + name_size, header)].decode(errors="replace").rstrip("\0 ") if name_at else ""
            sections = _sections(data[body : body + size]) if kind == CUBIN and not packed else ()
            label = "cubin" if kind == CUBIN else "ptx"
            arch_name = f"{'sm' if kind == CUBIN else 'compute'}_{arch}"
            yield DeviceCode(label, arch_name, bool(flags & DEVICE_DEBUG), packed, name, unpacked or size, sections)
        at = body + size


def _sections(cubin: bytes) -> tuple[str, ...]:
    return tuple(name for name in Image(cubin).sections if name)
