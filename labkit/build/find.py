"""From the name of a function or an operator to the file that has to be compiled again, by vLLM's own text."""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from labkit.messages import LearnerMessage

_IMPL_BLOCK = re.compile(r"^STABLE_TORCH_LIBRARY_IMPL\(\s*(\w+),\s*CUDA,\s*(\w+)\)\s*\{(.*?)^\}", re.DOTALL | re.MULTILINE)
_IMPL = re.compile(r'\.impl\(\s*"(\w+)",\s*TORCH_BOX\(&([\w:]+)\)\)')
_CPU_OP = r'"{name}[("].{{0,800}}?&([\w:]+)\)'
_EXTENSION = {"": "_C_stable_libtorch", "moe": "_moe_C_stable_libtorch"}  # folder of a CUDA torch_bindings.cpp -> CMake target


@dataclass(frozen=True)
class Definition:
    """Where a C++ function is defined: path inside the tree, line (from 1), and what kind of function it is."""

    source: str
    line: int
    is_kernel: bool
    is_template: bool


@dataclass(frozen=True)
class Operator:
    """How a CUDA operator reaches torch's dispatcher: its namespace, its C++ function, and the file that registers it."""

    namespace: str
    name: str
    function: str
    bindings: str
    target: str


def definitions(tree: Path, function: str, files: list[Path]) -> list[Definition]:
    """Return where `function` is defined (declarations and calls do not count) in these files."""
    found = []
    for path in files:
        text = path.read_text(errors="replace")
        for start in names_at(text, function):
            if body_of(text, start):
                head = text[text.rfind("}", 0, start) + 1 : start][-400:]
                line = text.count("\n", 0, start) + 1
                found.append(Definition(str(path.relative_to(tree)), line, "__global__" in head, "template" in head))
    return found


def names_at(text: str, function: str) -> list[int]:
    """Return where the parameters of `function` begin, just behind the `(`, in definitions, declarations and calls alike."""
    return [match.end() for match in re.finditer(rf"(?<![\w.>:]){re.escape(function)}\s*\(", text)]


def body_of(text: str, position: int) -> int | None:
    """Return where a function's body begins, just behind its `{`, when its parameters begin at `position`; None for a mere call."""
    depth = 1
    while depth and position < len(text):
        depth += {"(": 1, ")": -1}.get(text[position], 0)
        position += 1
    brace = re.match(r"(?:\s|const\b|noexcept\b|//[^\n]*\n|/\*.*?\*/)*\{", text[position : position + 400], re.DOTALL)
    return position + brace.end() if brace else None


def with_statements(text: str, start: int, statements: str) -> str:
    """Return a source with statements on lines of their own, where a body begins at `start`; a comment behind the brace stays there."""
    rest = re.compile(r"[ \t]*(?://[^\n]*(?<!\\)|/\*[^\n]*?\*/[ \t]*)?(?=\n)").match(text, start)
    at = rest.end() if rest else start
    return text[:at] + "\n" + statements.strip("\n") + "\n" + text[at:].removeprefix("\n")


def cuda_sources(tree: Path) -> list[Path]:
    """Return the files that vLLM's CUDA extensions are compiled from."""
    return sorted(
        path for path in (tree / "csrc").rglob("*.c*") if path.suffix in (".cu", ".cpp") and not {"cpu", "rocm"} & set(path.parts)
    )


def names(files: list[Path]) -> list[str]:
    """Return the names of what these files seem to define, for the nearest match to a misspelt one."""
    return sorted(
        {name for path in files for name in re.findall(r"^[\w:<>,&*\s]*?\b(\w+)\s*\(", path.read_text(errors="replace"), re.MULTILINE)}
    )


def operators(tree: Path) -> list[Operator]:
    """Return all CUDA operators that vLLM registers, from its torch_bindings.cpp files."""
    found = []
    for path in sorted((tree / "csrc").rglob("torch_bindings.cpp")):
        relative = path.relative_to(tree / "csrc").parent.as_posix()
        kind = _EXTENSION.get(relative.removeprefix("libtorch_stable").strip("./"))
        if kind is not None:
            text, name = path.read_text(), str(path.relative_to(tree))
            blocks = _IMPL_BLOCK.findall(text)
            found += [Operator(space, op, function, name, kind) for space, _, body in blocks for op, function in _IMPL.findall(body)]
    return found


def cpu_function(tree: Path, name: str) -> str:
    """Return the C++ function behind a CPU operator's name, or the name itself when it is no operator's."""
    text = (tree / "csrc" / "cpu" / "torch_bindings.cpp").read_text()
    found = re.search(_CPU_OP.format(name=re.escape(name)), text, re.DOTALL)
    return found.group(1).rpartition("::")[2] if found else name


def operator(tree: Path, name: str) -> Operator:
    """Return the CUDA operator of this name, or whose function has it. Raises LearnerMessage with what would work instead."""
    every = operators(tree)
    for op in every:
        if name in (op.name, op.function, f"{op.namespace}::{op.name}"):
            return op
    kernels = definitions(tree, name, [path for path in sorted((tree / "csrc").rglob("*.cu*")) if "rocm" not in path.parts])
    if kernels:
        beside = [
            op.name
            for op in every
            if any(d.source == kernels[0].source for d in definitions(tree, op.function, [tree / kernels[0].source]))
        ]
        raise LearnerMessage(
            f"{name} ({kernels[0].source}:{kernels[0].line}) is not registered as an operator, so nothing can be put in its place.",
            f"Overlay an operator of the same file, and it comes along: {', '.join(beside[:8])}."
            if beside
            else "Overlay the operator that calls it.",
        )
    raise unknown(name, [op.name for op in every])


def unknown(name: str, known: list[str]) -> LearnerMessage:
    """The message for a name that vLLM does not have, with the nearest ones that it has."""
    near = get_close_matches(name, known, n=3, cutoff=0.5)
    return LearnerMessage(
        f"vLLM's C++ sources define no function {name!r}, and no operator has that name.",
        f"Did you mean {' or '.join(near)}?" if near else "Look for it: `grep -rn` in the tree's csrc folder.",
    )
