"""What a search in a tree returns."""

from dataclasses import dataclass

from labkit.references.tree import Tree


@dataclass(frozen=True)
class Place:
    """Where something is: path in the tree, first and last line (from 1), and its signature on one line ("" where it has none)."""

    path: str
    line: int = 1
    end: int = 1
    signature: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"

    def of(self, tree: Tree) -> str:
        """The text of these lines in a tree."""
        return "\n".join(tree.text(self.path).splitlines()[self.line - 1 : self.end])


def line_of(text: str, position: int) -> int:
    """The line number of a position in a text, from 1."""
    return text.count("\n", 0, position) + 1


def squeezed(text: str) -> str:
    """A text on one line."""
    return " ".join(text.split())
