"""References for a learner: where they are in the vLLM that is installed here, with the first lines of each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from textwrap import dedent

from labkit import pins, show
from labkit.build.tree import DISTRIBUTION
from labkit.lane import LaneName
from labkit.messages import LearnerMessage
from labkit.references.find import Found, kind_of, look_up
from labkit.references.table import read_table
from labkit.references.tree import Tree

LINES = 12


@dataclass(frozen=True)
class Trees:
    """Where to look: the installed package for Python files of `vllm/`, the source distribution for everything else."""

    installed: Tree | None
    source: Callable[[], Tree]

    def of(self, ref: str) -> tuple[Tree, str]:
        """The tree that holds a reference, and what it is to the learner."""
        if self.installed and ref.startswith("vllm/") and ".py" in ref:
            return self.installed, f"the vLLM {self.installed.version} that is installed here"
        tree = self.source()
        return tree, f"vLLM {tree.version}'s source"


def show_places(references: Sequence[str], trees: Trees, lines: int = LINES) -> None:
    """Show each reference's place and its first lines. Raises LearnerMessage for one that is not there at all."""
    if not references:
        raise LearnerMessage("Which place?", 'Name it as lessons do: lab.where("vllm/v1/engine/core.py:EngineCore.step").')
    for ref in references:
        row = read_table().named(ref)
        tree, name = trees.of(row.ref if row else ref)
        found = look_up(tree, ref)
        text = passage(found, tree, lines)
        show.folded(title(found, name), text) if text else show.text(title(found, name))


def title(found: Found, where: str) -> str:
    """One line: the place, what it teaches, and whether it is where lessons say it is."""
    if found.place is None:
        said = f"{found.row.ref} is not in {where}"
        if found.ok:
            return f"{said}, as lessons say: {found.row.teaches}."
        raise LearnerMessage(f"{said}.", "Look for the name with `grep -rn`; if a lesson names it, tell whoever looks after the course.")
    length = found.place.end - found.place.line + 1
    size = f" ({length} lines)" if length > 1 else ""
    moved = f" Lessons, written for {pins.VLLM}, name {found.row.ref}." if found.state in ("moved", "renamed") else ""
    teaches = f": {found.row.teaches}" if found.row.teaches else ""
    return f"{found.place}{size}, in {where}{teaches}.{moved}"


def passage(found: Found, tree: Tree, lines: int) -> str:
    """The first lines of what was found, and how many more there are; nothing for a file or folder as such."""
    if found.place is None or kind_of(found.row.ref).name == "file":
        return ""
    text = dedent(found.place.of(tree)).splitlines()
    return "\n".join([*text[:lines], *([f"… {len(text) - lines} more lines"] if len(text) > lines else [])])


def trees_of(lane: LaneName, source: Callable[[], Path]) -> Trees:
    """Return the trees of this machine; without an installed vLLM everything is looked up in the source."""
    try:
        installed = distribution(DISTRIBUTION[lane])
    except PackageNotFoundError:
        return Trees(None, lambda: Tree(source()))
    return Trees(Tree(Path(str(installed.locate_file(""))), installed.version), lambda: Tree(source()))
