"""References for a learner: where they are in the vLLM that is installed here, with the first lines of each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from textwrap import dedent

from labkit import pins, show
from labkit.build.tree import DISTRIBUTION
from labkit.lane import LaneName
from labkit.messages import LearnerMessage
from labkit.references import in_python
from labkit.references.find import Found, find, kind_of, look_up
from labkit.references.table import Row, read_table
from labkit.references.tree import Tree

LINES = 12
FEW = 4  # near names in a message
EXAMPLE = '"vllm/v1/engine/core.py:EngineCore.step"'


@dataclass(frozen=True)
class Trees:
    """Where to look: the installed package for Python files of `vllm/`, the source distribution for everything else."""

    installed: Tree | None
    source: Callable[[], Tree]

    def of(self, ref: str) -> tuple[Tree, str]:
        """The tree that holds a reference, and what it is to the learner."""
        if self.installed and (is_bare(ref) or (ref.startswith("vllm/") and ".py" in ref)):
            return self.installed, f"the vLLM {self.installed.version} that is installed here"
        tree = self.source()
        return tree, f"vLLM {tree.version}'s source"


def show_places(references: Sequence[str], trees: Trees, lines: int = LINES) -> None:
    """Show each reference's place and its first lines; one alone is shown unfolded.

    What lessons name and this version does not have is said in a line. Raises LearnerMessage, with the nearest names, for what nobody knows.
    """
    if not references or not all(isinstance(ref, str) and ref.strip() for ref in references):
        raise LearnerMessage("Which place?", f"Name it as lessons do, in quotes: lab.where({EXAMPLE}).")
    if not isinstance(lines, int) or lines < 1:
        raise LearnerMessage(f"lines={lines!r}: how many lines should be shown of each?", "Write a whole number: lines=12.")
    for found, tree, name in [_looked_up(ref.strip().lstrip("/"), trees) for ref in references]:
        text = passage(found, tree, lines)
        show.folded(title(found, name), text, opened=len(references) == 1) if text else show.text(title(found, name))


def _looked_up(ref: str, trees: Trees) -> tuple[Found, Tree, str]:
    """Find a reference; a bare name that the table does not know is looked for in vLLM's Python files."""
    row = read_table().named(ref)
    tree, name = trees.of(row.ref if row else ref)
    found = look_up(tree, ref)
    if found.place is None and row is None:
        return find(tree, Row(ref=_elsewhere(ref, tree), teaches="")), tree, name
    return found, tree, name


def is_bare(ref: str) -> bool:
    """Whether a reference is a name alone, such as "Scheduler.finish_requests"."""
    return kind_of(ref).name == "file" and all(part.isidentifier() for part in ref.split("."))


def _elsewhere(ref: str, tree: Tree) -> str:
    """The one reference that a bare name can mean. Raises LearnerMessage where it is none, or several."""
    homes = in_python.elsewhere(tree, ref) if is_bare(ref) else []
    if len(homes) == 1:
        return f"{homes[0].path}:{ref}"
    happened = f"No Python file of vLLM {tree.version} defines {ref}." if is_bare(ref) else f"vLLM {tree.version} has no {ref}."
    if homes:
        happened = f"{len(homes)} files of vLLM {tree.version} define {ref}."
    near = [f"{home.path}:{ref}" for home in homes[:FEW]] or nearest(ref, tree)
    raise LearnerMessage(
        happened, f"Is it one of these? {', '.join(near)}" if near else f"Write it as lessons do, with its path: {EXAMPLE}."
    )


def nearest(ref: str, tree: Tree) -> list[str]:
    """The names that are spelled most like one that is nowhere: of its file, or its class's, if there is such a file, else of the course's table."""
    path, _, symbol = ref.partition(":")
    row = None if symbol else read_table().named(ref.partition(".")[0])
    path, symbol = (row.path, ref) if row else (path, symbol)
    if symbol and (names := in_python.names(tree, path)):
        return [f"{path}:{name}" for name in get_close_matches(symbol, names, FEW)]
    known = {name: row.symbol or row.ref for row in read_table().rows for name in (row.ref, row.symbol) if name}
    return list(dict.fromkeys(known[name] for name in get_close_matches(ref, known, FEW)))


def title(found: Found, where: str) -> str:
    """One line: the place, what it teaches, and whether it is where lessons say it is."""
    if found.place is None:
        expected = "as lessons say" if found.ok else f"though lessons, written for {pins.VLLM}, name it"
        return f"{found.row.ref} is not in {where}, {expected}: {found.row.teaches}."
    length = found.place.end - found.place.line + 1
    size = f" ({length} lines)" if length > 1 else ""
    moved = f" Lessons, written for {pins.VLLM}, name {found.row.ref}." if found.state in ("moved", "renamed") else ""
    teaches = f": {found.row.teaches}" if found.row.teaches else ""
    place = found.place.path if _whole(found) else str(found.place)
    return f"{place}{size}, in {where}{teaches}.{moved}"


def passage(found: Found, tree: Tree, lines: int) -> str:
    """The first lines of what was found, and how many more there are; nothing for a file or folder as such."""
    if found.place is None or _whole(found):
        return ""
    text = dedent(found.place.of(tree)).splitlines()
    return "\n".join([*text[:lines], *([f"… {len(text) - lines} more lines"] if len(text) > lines else [])])


def _whole(found: Found) -> bool:
    """Whether a reference means a file or folder as such."""
    return found.kind == "file"


def trees_of(lane: LaneName, source: Callable[[], Path]) -> Trees:
    """Return the trees of this machine; without an installed vLLM everything is looked up in the source."""
    try:
        installed = distribution(DISTRIBUTION[lane])
    except PackageNotFoundError:
        return Trees(None, lambda: Tree(source()))
    return Trees(Tree(Path(str(installed.locate_file(""))), installed.version), lambda: Tree(source()))
