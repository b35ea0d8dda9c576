"""Names in C++ and CUDA files: functions, what stands in them, and the operators that are registered with torch."""

import re

from labkit.build.find import body_of, names_at
from labkit.references.place import Place, line_of, squeezed
from labkit.references.tree import Tree

SOURCES = (".cu", ".cpp", ".cuh", ".h", ".hpp")
NOT_CODE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.DOTALL)
LIBRARY = re.compile(r"TORCH_LIBRARY(?:_FRAGMENT|_EXPAND)?\(\s*(CONCAT\(\s*TORCH_EXTENSION_NAME,\s*)?(\w+)")


def symbol(tree: Tree, path: str, name: str) -> Place | None:
    """Return where a file defines a function (a declaration or a call does not count), or "function.word": a word in its body."""
    function, _, word = name.partition(".")
    text = code_of(tree.text(path))
    bodies = ((start, body) for start in names_at(text, function) if (body := body_of(text, start)))
    start, body = next(bodies, (0, 0))
    if not body:
        return None
    end = _closing(text, body)
    if word:
        used = re.compile(rf"\b{re.escape(word)}\b").search(text, start, end)
        return Place(path, line_of(text, used.start()), line_of(text, used.start())) if used else None
    return Place(path, line_of(text, start), line_of(text, end), f"({squeezed(text[start : body - 1])}")


def elsewhere(tree: Tree, name: str) -> list[Place]:
    """Return where else in the tree a function of that name is defined. Kernels for other chips (`csrc/rocm`) are not looked at."""
    function = re.compile(rf"\b{re.escape(name.partition('.')[0])}\s*\(")
    paths = (path for path in tree.files(*SOURCES) if "/rocm/" not in path and function.search(tree.text(path)))
    return [place for path in paths if (place := symbol(tree, path, name))]


def operator(tree: Tree, name: str) -> Place | None:
    """Return where `torch.ops.NAMESPACE.NAME` gets its schema."""
    namespace, _, short = name.removeprefix("torch.ops.").partition(".")
    for path in _bindings(tree):
        text = tree.text(path)
        for found in re.finditer(rf'\.def\(\s*"({re.escape(short)}\(.*?)"[,)]', text, re.DOTALL):
            if _namespace(text, found.start()) == namespace:
                return Place(path, line_of(text, found.start(1)), line_of(text, found.end()), squeezed(re.sub(r'"\s*"', "", found[1])))
    return None


def namespace(tree: Tree, name: str) -> Place | None:
    """Return where operators are put into `torch.ops.NAMESPACE`."""
    for path in _bindings(tree):
        text = tree.text(path)
        for found in LIBRARY.finditer(text):
            if _full(found) == name.removeprefix("torch.ops."):
                return Place(path, line_of(text, found.start()), line_of(text, found.start()))
    return None


def code_of(text: str) -> str:
    """The text with comments and strings blanked out; every line and column stays where it is."""
    return NOT_CODE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def _bindings(tree: Tree) -> list[str]:
    """The files that register operators, the main one first."""
    return sorted((path for path in tree.files(".cpp") if path.endswith("bindings.cpp")), key=len)


def _namespace(text: str, position: int) -> str:
    last = list(LIBRARY.finditer(text, 0, position))
    return _full(last[-1]) if last else ""


def _full(found: re.Match[str]) -> str:
    """The namespace that a registration names: `TORCH_EXTENSION_NAME` is the extension's, and that is `_C`."""
    return f"_C{found[2]}" if found[1] else {"TORCH_EXTENSION_NAME": "_C"}.get(found[2], found[2])


def _closing(text: str, position: int) -> int:
    """Where the body ends that begins at a position, just behind its `{`."""
    depth = 1
    for brace in re.compile(r"[{}]").finditer(text, position):
        depth += 1 if brace[0] == "{" else -1
        if not depth:
            return brace.end()
    return len(text)
