"""What changed between two versions of vLLM, of the things that lessons name, and which lines of the course that touches."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from labkit.references.find import Found
from labkit.references.tree import Tree
from tools.refs_lessons import Line, touching

Kind = Literal["vanished", "gone", "appeared", "moved", "changed"]
TITLES: dict[Kind, str] = {
    "vanished": "Vanished: a lesson that says it is there is wrong for the new version",
    "gone": "Gone, as the table says already",
    "appeared": "New: not in the old version",
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
            yield Change("gone" if after.ok else "vanished", ref, str(before.place), "")
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
    more = "… " if begin else ""
    return _cut(more + old[begin:].lstrip(", ")), _cut(more + new[begin:].lstrip(", "))


def _cut(text: str) -> str:
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def report(old: Tree, new: Tree, was: Sequence[Found], is_now: Sequence[Found], cited: Mapping[str, Sequence[Line]]) -> str:
    """The report as text: what changed, by kind, the lines that name it, and at the end all of these lines by file, lessons first."""
    found = changes(was, is_now)
    teaches = {one.row.ref: one.row.teaches for one in was}
    parts = [f"vLLM {old.version} -> {new.version}: {len(was)} references, {len(found)} changes"]
    for kind, title in TITLES.items():
        these = [change for change in found if change.kind == kind]
        if these:
            parts.append(f"\n{title} ({len(these)})")
            parts += [_paragraph(together, teaches, cited) for together in _together(these)]
    lines = {line for change in found for line in touched(change, cited)}
    return "\n".join([*parts, *(["\nLines to read again", *(f"  {one}" for one in by_file(lines))] if lines else [])])


def _together(found: Sequence[Change]) -> list[list[Change]]:
    """What went from one file to another together is one paragraph; anything else has its own."""
    groups: dict[tuple[str, str], list[Change]] = {}
    for change in found:
        whole = change.kind == "moved" and _path(change.before) != _path(change.after)
        groups.setdefault((_path(change.before), _path(change.after)) if whole else (change.ref, ""), []).append(change)
    return list(groups.values())


def _path(place: str) -> str:
    return place.rpartition(":")[0]


def touched(change: Change, cited: Mapping[str, Sequence[Line]]) -> list[Line]:
    """The lines that name what changed; where its file is another one now, or none, those that name the file as well."""
    stays = change.kind == "changed" or _path(change.before) == _path(change.after)
    return list(cited.get(change.ref, ())) if stays else touching(cited, change.ref)


def _paragraph(together: Sequence[Change], teaches: Mapping[str, str], cited: Mapping[str, Sequence[Line]]) -> str:
    heads = [f"  {change.ref}: {teaches[change.ref]}" for change in together]
    if len(together) == 1:
        states = [f"    {word} {place}" for word, place in (("was", together[0].before), ("is ", together[0].after)) if place]
    else:
        states = [f"    from {_path(together[0].before)} to {_path(together[0].after)}"]
    lines = {line for change in together for line in touched(change, cited)}
    return "\n".join([*heads, *states, f"    touches {'; '.join(by_file(lines)) or 'no line by its name'}"])


def by_file(lines: Iterable[Line]) -> list[str]:
    """Lines as `path:1,2`, one text for each file, lessons first."""
    numbers: dict[str, list[int]] = {}
    for line in sorted(set(lines), key=lambda line: (not line.path.startswith("lessons/"), line.path, line.number)):
        numbers.setdefault(line.path, []).append(line.number)
    return [f"{path}:{','.join(map(str, found))}" for path, found in numbers.items()]
