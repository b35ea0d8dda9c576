"""The build of a file as vLLM ships it, kept while a learner edits the file: it is put back with the file, and need not be compiled again.

Ninja decides by times and by the hash of a command; so files are put back with their times, and only where the commands are the same.
"""

import shutil
from pathlib import Path

from labkit.build import ninja

FOLDER = "as-shipped"  # inside the build folder's labkit/


def keep(build: Path, source: Path, made: Path) -> None:
    """Keep what ninja made in the folder `build` of `source`, up to the library `made`: before the source is edited. Raises OSError.

    Nothing is kept when the library is older than the source: then it was built from something else.
    """
    outputs = _outputs(build, source, made)
    if not outputs or any(not path.is_file() or path.stat().st_mtime_ns < source.stat().st_mtime_ns for path in outputs):
        return
    kept = build / "labkit" / FOLDER
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    for path in (source, *outputs):
        shutil.copy2(path, kept / path.name)
    (kept / "commands").write_text(_commands(build, outputs))


def put_back(build: Path, source: Path, made: Path) -> bool:
    """Put back what was kept, and the source with it, and say whether that was possible. Raises OSError."""
    outputs, kept = _outputs(build, source, made), build / "labkit" / FOLDER
    known = kept / "commands"
    if not outputs or not known.is_file() or known.read_text() != _commands(build, outputs):
        return False
    for path in (source, *outputs):
        path.unlink(missing_ok=True)  # not written over: a process may still have the library mapped
        shutil.copy2(kept / path.name, path)
    return True


def _outputs(build: Path, source: Path, made: Path) -> list[Path]:
    """The object file of the source and the library, [] before they were built."""
    known = {edge.output for edge in ninja.read_log(build)} if (build / ".ninja_log").is_file() else set()
    objects = [build / name for name in known if name.endswith(f"/{source.name}.o")]
    return [*objects, made] if len(objects) == 1 and str(made.relative_to(build)) in known else []


def _commands(build: Path, outputs: list[Path]) -> str:
    """The hashes of the commands that made these files last, as ninja notes them."""
    lines = [line.split("\t") for line in (build / ".ninja_log").read_text(errors="replace").splitlines()]
    last = {cells[3]: cells[4] for cells in lines if len(cells) == 5}
    return "\n".join(last.get(str(path.relative_to(build)), "") for path in outputs)
