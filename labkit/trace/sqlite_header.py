"""Looks at an SQLite file's own header before SQLite does, so that a file that is none, or is cut short, is named as such.

The list of tables is a tree of pages that starts at page 1. SQLite loads all of it on the first query, so its size is bounded here.
"""

import os
import stat
import struct
from pathlib import Path
from typing import BinaryIO

from labkit.trace.errors import BadTrace

AGAIN = "Export the recording again: nsys export --type sqlite --force-overwrite=true FILE.nsys-rep"
MAGIC = b"SQLite format 3\0"
MAX_SCHEMA_PAGES = 500  # nsys needs about 30
MAX_SCHEMA_CELLS = 5_000  # nsys makes about 150
INTERIOR, LEAF = 5, 13
WHAT = "an export as nsys writes it"


def check_file(path: Path) -> None:
    """Raise BadTrace unless this is a complete SQLite file, at rest, with a list of tables of a sensible size."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # a pipe without a writer would block
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise BadTrace(f"{path.name} is no file", "the .sqlite file that nsys export wrote", AGAIN)
            page = _page_size(file.read(100), status.st_size, path.name)
            _check_schema(file, page, path.name)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadTrace(f"{path.name} cannot be opened: {reason}", "the .sqlite file that nsys export wrote", AGAIN) from None


def _page_size(header: bytes, size: int, name: str) -> int:
    if not header:
        raise BadTrace(f"{name} is empty", "the .sqlite file that nsys export wrote", AGAIN)
    if len(header) < 100 or not header.startswith(MAGIC):
        raise BadTrace(f"{name} is no SQLite file", "the .sqlite file that nsys export wrote, not the .nsys-rep", AGAIN)
    page = int.from_bytes(header[16:18], "big")
    page = 65536 if page == 1 else page
    pages = int.from_bytes(header[28:32], "big")
    if page < 512 or page & (page - 1) or max(header[18:20]) > 2:
        raise BadTrace(f"{name} has a header that is not SQLite's", WHAT, AGAIN)
    if max(header[18:20]) == 2:
        raise BadTrace(f"{name} has a write-ahead log beside it, or lost it", "one complete file", AGAIN)
    if pages * page > size or size < page:
        raise BadTrace(f"{name} is cut short: {size:,} of {max(pages, 1) * page:,} bytes", "the whole file", AGAIN)
    return page


def _check_schema(file: BinaryIO, page: int, name: str) -> None:
    waiting, seen, cells = [1], {1}, 0
    while waiting:
        number = waiting.pop()
        file.seek((number - 1) * page)
        data = file.read(page)
        children, count = _children(data, 100 if number == 1 else 0)
        cells += count
        if seen & set(children) or len(set(children)) < len(children):
            raise BadTrace(f"{name} has a list of tables that leads back into itself", WHAT, AGAIN)
        seen.update(children)
        waiting += children
        if cells > MAX_SCHEMA_CELLS or len(seen) > MAX_SCHEMA_PAGES:
            raise BadTrace(f"{name} has a list of thousands of tables", f"{WHAT}, with about 150", AGAIN)


def _children(data: bytes, at: int) -> tuple[list[int], int]:
    """Return the child pages and the number of entries of a page of a table's tree. A damaged one has none: SQLite will say so."""
    try:
        kind, count = data[at], int.from_bytes(data[at + 3 : at + 5], "big")
        if kind != INTERIOR:
            return [], count if kind == LEAF else 0
        pointers = struct.unpack_from(f">{count}H", data, at + 12)
        return [struct.unpack_from(">I", data, place)[0] for place in (*pointers, at + 8)], 0
    except (IndexError, struct.error):
        return [], 0
