"""Look up everything of vLLM's source that lessons name, and say what does not hold.

    python -m tools.refs                                the pinned version's tree, and the words of the lessons
    python -m tools.refs --vllm 0.33.0 --vllm PATH      other versions or trees ("newest": the newest release; "known": all of labkit/pins.py)
    python -m tools.refs --report pinned newest         what moved, vanished or changed from one to the other, and which lines name it
    python -m tools.refs --text                         the words of the lessons alone: no tree, no network

Versions are fetched as files from the package index, once, and kept in the course's cache. Exit code 1 when something does not hold.
"""

import argparse
import re
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from labkit import pins
from labkit.messages import LearnerMessage
from labkit.references.find import Found, find
from labkit.references.table import BadTable, Table, read_table
from labkit.references.tree import Tree
from labkit.sources import newest_version, vllm_source
from tools.refs_lessons import Line, citations, problems, read_lessons, read_shown, touching
from tools.refs_pin import behind, read_places
from tools.refs_report import report

FEW = 6  # lines of the course named behind a row that does not hold


def tree_of(asked: str) -> Tree:
    """Return a tree for a folder, a version, "pinned" or "newest". Raises LearnerMessage when the package index does not give it."""
    folder = Path(asked)
    if folder.is_dir():
        return Tree(folder.resolve())
    if not re.fullmatch(r"pinned|newest|\d[\w.]*", asked):
        raise LearnerMessage(
            f"{asked!r} is no folder here, and no version.", 'Name a source tree, a version such as 0.33.0, "pinned" or "newest".'
        )
    version = newest_version() if asked == "newest" else pins.VLLM if asked == "pinned" else asked
    return Tree(vllm_source(print, version))


def resolve(table: Table, tree: Tree) -> list[Found]:
    """Find every row of the table in a tree."""
    return [find(tree, row) for row in table.rows]


def unresolved(found: Sequence[Found], tree: Tree, cited: Mapping[str, Sequence[Line]]) -> list[str]:
    """What does not hold in a tree, one text for each row, with the lines that name it. In the pinned version nothing may have moved: lessons stop at these lines."""
    pinned = str(tree.version) == pins.VLLM
    wrong = [one for one in found if not one.ok or (pinned and one.state == "moved")]
    return [f"{_what(one, tree)}\n{named(touching(cited, one.row.ref))}" for one in wrong]


def named(lines: Sequence[Line]) -> str:
    """The first of the lines, each on a line of its own."""
    more = [f"    and {len(lines) - FEW} more"] if len(lines) > FEW else []
    return "\n".join([*(f"    {line}" for line in lines[:FEW]), *more])


def _what(one: Found, tree: Tree) -> str:
    if one.state == "moved":
        return f"{one.called} ({one.kind}) is at {one.place} in vLLM {tree.version}, the pinned one. Named in:"
    if one.state == "missing":
        others = f"; the name is in {', '.join(map(str, one.others[:4]))}" if one.others else ""
        return f"{one.called} ({one.kind}) is not in vLLM {tree.version}{others}. Named in:"
    return f"{one.called} ({one.kind}) is in vLLM {tree.version}, at {one.place}, though the table says that it is not. Named in:"


def show(found: Sequence[Found], tree: Tree, seconds: float, quiet: bool) -> None:
    """Print each row's place, with `quiet` only of those that are not where lessons say, and the sums. `seconds` are of CPU time."""
    for one in [one for one in found if not quiet or one.state not in ("found", "absent as said")]:
        note = {"found": "", "absent as said": "not there, as the table says"}.get(one.state, f"{one.state}: lessons say {one.row.ref}")
        print(f"{one.place or '-'!s:<72} {one.kind:<21} {one.called.partition(':')[2] or one.called}" + (f"   [{note}]" if note else ""))
    sums = {state: sum(one.state == state for one in found) for state in dict.fromkeys(one.state for one in found)}
    print(
        f"vLLM {tree.version}: {len(found)} references: {', '.join(f'{count} {state}' for state, count in sums.items())}; {seconds:.1f} s of CPU\n"
    )


def check_trees(asked: Sequence[str], table: Table, cited: Mapping[str, Sequence[Line]], quiet: bool) -> list[str]:
    """Resolve the table in each tree and return what does not hold."""
    wrong: list[str] = []
    known = [pins.VLLM, *pins.VLLM_SDIST_OTHERS]
    for tree in (tree_of(one) for name in asked for one in (known if name == "known" else [name])):
        began = time.process_time()
        found = resolve(table, tree)
        show(found, tree, time.process_time() - began, quiet)
        wrong += unresolved(found, tree, cited)
    return wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.refs", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vllm", action="append", metavar="PATH|VERSION|newest|known", help="a source tree to look in; may be repeated")
    parser.add_argument("--report", nargs=2, metavar=("OLD", "NEW"), help="compare two versions or trees")
    parser.add_argument("--text", action="store_true", help="only compare the lessons with the table")
    parser.add_argument("--quiet", action="store_true", help="leave out the rows that are where lessons say")
    asked = parser.parse_args(arguments)
    try:
        table, lessons, shown = read_table(), read_lessons(), read_shown()
        cited = citations(table, lessons, shown)
        if asked.report:
            old, new = map(tree_of, asked.report)
            print(report(old, new, resolve(table, old), resolve(table, new), cited))
            return 0
        wrong = check_trees([] if asked.text else asked.vllm or [pins.VLLM], table, cited, asked.quiet)
        wrong += [*problems(table, lessons, shown), *behind(read_places())]
    except (BadTable, LearnerMessage) as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(wrong) or "Everything that the lessons name is there.")
    return int(bool(wrong))


if __name__ == "__main__":
    raise SystemExit(main())
