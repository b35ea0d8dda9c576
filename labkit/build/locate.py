"""Which file, which CMake target and which symbols stand behind a name, or why nothing can be put in its place."""

import subprocess
import sys
from dataclasses import dataclass
from functools import cache as once
from pathlib import Path

from labkit.build import find
from labkit.build.tree import has_header, wheel_folder
from labkit.inspect_elf import exported, local_symbols
from labkit.lane import Lane
from labkit.messages import LearnerMessage

_PROBE = """
from vllm.platforms import current_platform
current_platform.import_kernels()
print(next(line.split(maxsplit=5)[5].rstrip() for line in open("/proc/self/maps") if "/vllm/_C" in line))
"""


@dataclass(frozen=True)
class Site:
    """Where a function is: file and line in the source tree, the CMake target that it belongs to, and the installed library.

    `symbols` are its mangled names in that library (CPU lane); `operator` is how torch's dispatcher knows it (CUDA lane).
    """

    function: str
    source: str
    line: int
    target: str
    wheel_library: Path
    symbols: tuple[str, ...] = ()
    operator: find.Operator | None = None


def locate(name: str, tree: Path, lane: Lane) -> Site:
    """Return the site of a function or operator. Raises LearnerMessage with the reason when it cannot be overlaid."""
    if not isinstance(name, str) or not all(part.isidentifier() for part in name.split("::")):
        raise LearnerMessage(f"{name!r} is no name of a function.", 'Give a name, such as "rotary_embedding".')
    return _locate_cpu(name, tree, loaded_library(lane)) if lane.name == "cpu" else _locate_cuda(name, tree, wheel_folder(lane))


@once
def loaded_library(lane: Lane) -> Path:
    """Ask vLLM which of its compiled libraries it loads on this processor. Raises LearnerMessage when it cannot say."""
    try:
        said = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, text=True, timeout=180, check=True).stdout
        return Path(said.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, IndexError):
        raise LearnerMessage(
            f"vLLM in {wheel_folder(lane)} does not load its compiled library.", "Run `labkit doctor`: does its row vLLM say ok?"
        ) from None


def _locate_cpu(name: str, tree: Path, library: Path) -> Site:
    function = find.cpu_function(tree, name)
    files = sorted((tree / "csrc" / "cpu").rglob("*.cpp"))
    found = find.definitions(tree, function, files)
    if not found:
        raise find.unknown(name, find.names(files))
    symbols = tuple(exported(library, function))
    if not symbols:
        raise _not_exported(function, found[0], library)
    twice = [one for one in found if one.source == found[0].source and not one.is_template]
    if len(twice) > 1 and not has_header("numa.h") and "VLLM_NUMA_DISABLED" in (tree / found[0].source).read_text():
        raise LearnerMessage(
            f"{found[0].source} has two versions of {function}; without numa.h it compiles to the one that does nothing.",
            "Install libnuma-dev, or overlay another function.",
        )
    if Path(found[0].source).name.startswith("dnnl_"):
        raise LearnerMessage(
            f"{found[0].source} needs oneDNN's own headers, which vLLM's build fetches from GitHub.",
            "Overlay another function, or build the whole target where GitHub answers.",
        )
    return Site(function, found[0].source, found[0].line, library.name.partition(".")[0], library, symbols)


def _not_exported(function: str, found: find.Definition, library: Path) -> LearnerMessage:
    where = f"{function} ({found.source}:{found.line})"
    if found.is_template:
        return LearnerMessage(
            f"{where} is a template: its instances are compiled into their callers.", "Overlay the exported function that calls it."
        )
    if local_symbols(library, function):
        return LearnerMessage(
            f"{where} is not exported by {library.name}: its callers reach it without asking the linker.",
            "Overlay an exported function of the same file, and it comes along.",
        )
    return LearnerMessage(
        f"{where} is not in {library.name}, the library that vLLM loads on this processor.",
        "It was inlined, or is for other processors. Overlay the function that calls it.",
    )


def _locate_cuda(name: str, tree: Path, wheel: Path) -> Site:
    op = find.operator(tree, name)
    found = find.definitions(tree, op.function.rpartition("::")[2], find.cuda_sources(tree))
    if not found:
        raise LearnerMessage(f"The definition of {op.function} was not found in csrc.", "Overlay another operator of the same kind.")
    library = wheel / f"{op.target}.abi3.so"
    return Site(op.name, found[0].source, found[0].line, op.target, library, (), op)
