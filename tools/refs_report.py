"""What changed between two versions of vLLM, of the things that lessons name, and which lines of the course that touches."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from labkit.references.find import Found
from labkit.references.tree import Tree
from tools.refs_lessons import Line, touching

Kind = Literal["vanished", "appeared", "moved", "changed"]
TITLES: dict[Kind, str] = {
    "vanished": "Vanished: a lesson that names it is wrong for the new version",
    "appeared": "Came back: the table says that it is gone",
    "moved": "Moved: lessons name the old place",
    "changed": "Changed: parameters, defaults, types or settings",
}
WIDTH = 150  # characters of a signature in the report


@dataclass(frozen=True)
class Change:
    """One thing that is not as it was. `before` and `after` say how, in one line each."""

    kind: Kind
    ref: str
    before: str
    after: str


def changes(old: Sequence[Found], new: Sequence[Found]) -> list[Change]:
    """Compare the same rows in two trees. A line number that moved inside its file is no change, unless lessons give the number."""
    return [change for before, after in zip(old, new, strict=True) for change in _changes(before, after)]


def _changes(before: Found, after: Found) -> Iterable[Change]:
    ref = before.row.ref
    if before.place is None or after.place is None:
        if before.place:
            yield Change("vanished", ref, str(before.place), "")
        elif after.place:
            yield Change("appeared", ref, "", str(after.place))
        return
    numbered = before.kind == "line"
    if (before.place.path, numbered and before.place.line) != (after.place.path, numbered and after.place.line):
        yield Change("moved", ref, str(before.place), str(after.place))
    if before.place.signature != after.place.signature:
        yield Change("changed", ref, *differing(before.place.signature, after.place.signature))


def differing(old: str, new: str) -> tuple[str, str]:
    """Two signatures from the first part on in which they differ."""
    same = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    begin = max(0, old.rfind(",", 0, same))
    return _cut(old[begin:].lstrip(", ")), _cut(new[begin:].lstrip(", "))


def _cut(text: str) -> str:
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def report(old: Tree, new: Tree, was: Sequence[Found], is_now: Sequence[Found], cited: Mapping[str, Sequence[Line]]) -> str:
    """The report as text: what changed, by kind, and the lines that name it, lessons first."""
    found = changes(was, is_now)
    parts = [f"vLLM {old.version} -> {new.version}: {len(was)} references, {len(found)} changes"]
    for kind, title in TITLES.items():
        these = [change for change in found if change.kind == kind]
        if these:
            parts.append(f"\n{title} ({len(these)})")
            parts += [_paragraph(change, touched(change, cited)) for change in these]
    return "\n".join(parts)


def touched(change: Change, cited: Mapping[str, Sequence[Line]]) -> list[Line]:
    """The lines that name what changed; where its file is another one now, or none, those that name the file as well."""
    stays = change.kind == "changed" or change.before.rpartition(":")[0] == change.after.rpartition(":")[0]
    return list(cited.get(change.ref, ())) if stays else touching(cited, change.ref)


def _paragraph(change: Change, lines: Sequence[Line]) -> str:
    by_file: dict[str, list[int]] = {}
    for line in lines:
        by_file.setdefault(line.path, []).append(line.number)
    where = "; ".join(f"{path}:{','.join(map(str, numbers))}" for path, numbers in by_file.items())
    states = [f"    was {change.before}" if change.before else "", f"    is  {change.after}" if change.after else ""]
    return "\n".join([f"  {change.ref}", *filter(None, states), f"    touches {where}"])
