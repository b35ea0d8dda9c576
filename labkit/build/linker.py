"""The linker's own word on who provides a function: what ld.so prints with LD_DEBUG=bindings."""

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_BINDING = re.compile(r"binding file (.+?) \[\d+\] to (.+?) \[\d+\]: normal symbol `(\S+)'")


@dataclass
class Linker:
    """What ld.so said of some symbols: one line per binding, folders and process number left out."""

    said: list[str] = field(default_factory=list)


@contextlib.contextmanager
def listening(symbols: Sequence[str], folder: Path) -> Iterator[Linker]:
    """Have ld.so note all bindings of commands that are started inside this block; keep those of these symbols.

    The notes of one Python process with torch are 35 MB; they go to a folder inside `folder` and are removed at the end.
    """
    linker = Linker()
    notes = Path(tempfile.mkdtemp(prefix="linker-", dir=folder))
    os.environ |= {"LD_DEBUG": "bindings", "LD_DEBUG_OUTPUT": str(notes / "said")}
    try:
        yield linker
    finally:
        for name in ("LD_DEBUG", "LD_DEBUG_OUTPUT"):
            os.environ.pop(name, None)
        linker.said = sorted({line for path in notes.iterdir() for line in _about(path, symbols)})
        shutil.rmtree(notes, ignore_errors=True)


def _about(path: Path, symbols: Sequence[str]) -> Iterator[str]:
    with path.open(errors="replace") as lines:
        for line in lines:
            found = _BINDING.search(line) if any(symbol in line for symbol in symbols) else None
            if found and found[3] in symbols:
                yield f"binding file {Path(found[1]).name} to {Path(found[2]).name}: normal symbol `{found[3]}'"
