"""Names in build files and pages: CMake targets, functions and variables, headings, lines of known text."""

import re

from labkit.references.place import Place, line_of, squeezed
from labkit.references.tree import Tree

DEFINES = r"^[ \t]*(?:function|macro|project|option|set|add_library|add_custom_target|define_extension_target)[ \t]*\(\s*{name}\b[^()]*"
COMMENT = re.compile(r"#[^\n]*")


def cmake(tree: Tree, path: str, name: str) -> Place | None:
    """Return where a CMake file defines a target, function, project or variable; where it reads one that it does not set."""
    text = COMMENT.sub(lambda found: " " * len(found[0]), tree.text(path))
    found = re.search(DEFINES.format(name=re.escape(name)), text, re.MULTILINE) or re.search(rf"\b{re.escape(name)}\b", text)
    if not found:
        return None
    body = re.match(r"[ \t]*(?:function|macro)\b", found[0])
    closing = re.compile(r"\bend(?:function|macro)\b").search(text, found.end()) if body else None
    return Place(path, line_of(text, found.start()), line_of(text, (closing or found).end()), squeezed(found[0]))


def cmake_elsewhere(tree: Tree, name: str) -> list[Place]:
    """Return which other CMake files define the name."""
    files = [path for path in tree.files(".cmake", ".txt") if path.endswith((".cmake", "CMakeLists.txt"))]
    defines = re.compile(DEFINES.format(name=re.escape(name)), re.MULTILINE)
    return [place for path in files if defines.search(tree.text(path)) and (place := cmake(tree, path, name))]


def cmake_environment(tree: Tree, name: str) -> Place | None:
    """Return where a CMake file reads `$ENV{NAME}`."""
    for path in tree.files(".cmake", ".txt"):
        if found := re.search(rf"\bENV\{{{re.escape(name)}\}}", tree.text(path)):
            return Place(path, line_of(tree.text(path), found.start()), line_of(tree.text(path), found.start()))
    return None


def heading(tree: Tree, path: str, title: str) -> Place | None:
    """Return the heading of a page."""
    text = tree.text(path)
    found = re.search(rf"^#+ +{re.escape(title)}[ \t]*$", text, re.MULTILINE)
    return Place(path, line_of(text, found.start()), line_of(text, found.start())) if found else None


def word(tree: Tree, path: str, name: str) -> Place | None:
    """Return the first line of a file that holds a word."""
    text = tree.text(path)
    found = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)
    return Place(path, line_of(text, found.start()), line_of(text, found.start())) if found else None


def lines(tree: Tree, path: str, says: str) -> list[Place]:
    """Return the lines of a file that say this."""
    return [Place(path, i, i) for i, text in enumerate(tree.text(path).splitlines(), 1) if squeezed(text) == squeezed(says)]


def file(tree: Tree, path: str, _name: str = "") -> Place | None:
    """Return a file or folder that is there."""
    return Place(path) if tree.has(path) else None


def file_elsewhere(tree: Tree, path: str) -> list[Place]:
    """Return the files of the same name in other folders."""
    name = path.rpartition("/")[2]
    return [Place(other) for other in tree.files(f".{name.rpartition('.')[2]}") if other.rpartition("/")[2] == name]
