"""Where a reference is in a tree, and how that fits the table."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from labkit.references import in_build, in_cpp, in_python
from labkit.references.place import Place
from labkit.references.table import Row, read_table
from labkit.references.tree import Tree

State = Literal["found", "moved", "renamed", "absent as said", "missing", "there against the table"]
Here = Callable[[Tree, str, str], Place | None]
Anywhere = Callable[[Tree, str], list[Place]]


@dataclass(frozen=True)
class Kind:
    """A kind of reference: what it looks like, how it is found at its place, and, where that is possible, in all of the tree."""

    name: str
    looks: re.Pattern[str]
    here: Here
    anywhere: Anywhere | None = None


@dataclass(frozen=True)
class Found:
    """A row of the table in one tree. `called` is its reference in that version; `place` is None where it is not there."""

    row: Row
    called: str
    kind: str
    state: State
    place: Place | None = None
    others: tuple[Place, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the table tells the truth about this tree."""
        return self.state not in ("missing", "there against the table")


def _variable(tree: Tree, path: str, _name: str) -> Place | None:
    return in_python.variable(tree, path) or in_build.cmake_environment(tree, path)


def _operator(tree: Tree, path: str, _name: str) -> Place | None:
    return in_cpp.operator(tree, path) if path.count(".") > 2 else in_cpp.namespace(tree, path)


KINDS = (  # the first that looks right is taken
    Kind("environment variable", re.compile(r"[A-Z][A-Z0-9_]+"), _variable),
    Kind("operator", re.compile(r"torch\.ops\.[\w.]+"), _operator),
    Kind("line", re.compile(r"[^:]+:\d+"), in_build.word),  # `says` finds it: see _line
    Kind("flag", re.compile(r"[^:]+\.py:--[\w-]+"), in_python.flag, in_python.flag_elsewhere),
    Kind("Python name", re.compile(r"[^:]+\.py:[\w.]+"), in_python.symbol, in_python.elsewhere),
    Kind("C++ name", re.compile(r"[^:]+\.(?:cu|cuh|cpp|h|hpp):[\w.]+"), in_cpp.symbol, in_cpp.elsewhere),
    Kind("CMake name", re.compile(r"(?:.+\.cmake|(?:.*/)?CMakeLists\.txt):\w+"), in_build.cmake, in_build.cmake_elsewhere),
    Kind("heading", re.compile(r"[^:]+\.md:.+"), in_build.heading),
    Kind("word", re.compile(r"[^:]+:.+"), in_build.word),
    Kind("file", re.compile(r".+"), in_build.file),
)


def kind_of(ref: str) -> Kind:
    """The kind that a reference is of, by how it looks."""
    return next(kind for kind in KINDS if kind.looks.fullmatch(ref))


def look_up(tree: Tree, ref: str) -> Found:
    """Find a reference in a tree: by its row, or a name of that, where the table has one."""
    return find(tree, read_table().named(ref) or Row(ref=ref, teaches=""))


def find(tree: Tree, row: Row) -> Found:
    """Find a row in a tree: at its place, else in all of the tree; and compare with what the table says of this version."""
    called = row.called(tree.version)
    kind = kind_of(called)
    place, others = _line(tree, row, called) if kind.name == "line" else _search(tree, kind, called)
    if not row.expected(tree.version):
        against = place or next(iter(others), None) if kind.name != "file" else place
        there: State = "there against the table" if against else "absent as said"
        return Found(row, called, kind.name, there, against)
    if place:
        return Found(row, called, kind.name, "renamed" if called != row.ref else "found", place)
    unique = others[0] if len(others) == 1 else None
    return Found(row, called, kind.name, "moved" if unique else "missing", unique, tuple(others))


def _search(tree: Tree, kind: Kind, called: str) -> tuple[Place | None, list[Place]]:
    path, _, name = called.partition(":")
    place = kind.here(tree, path, name)
    if place:
        return place, []
    if kind.anywhere:
        return None, kind.anywhere(tree, name)
    return None, in_build.file_elsewhere(tree, path) if kind.name == "file" else []


def _line(tree: Tree, row: Row, called: str) -> tuple[Place | None, list[Place]]:
    """A line is at its place when it says there what the table has; else it has moved to the line that does."""
    path = called.partition(":")[0]
    said = _said(tree, row, path) or [place for other in in_build.file_elsewhere(tree, path) for place in _said(tree, row, other.path)]
    there = next((place for place in said if str(place) == called), None)
    return there, [] if there else said


def _said(tree: Tree, row: Row, path: str) -> list[Place]:
    """The lines of a file that say what the row has, inside its function if it names one."""
    around = in_cpp.symbol(tree, path, row.inside) if row.inside else Place(path, 1, tree.text(path).count("\n") + 1)
    return [place for place in in_build.lines(tree, path, row.says) if around and around.line <= place.line <= around.end]
