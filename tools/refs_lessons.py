"""The lessons beside the reference table: which lines name which row, and which words are in no row."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labkit.references.table import Row, Table
from tools.refs_words import ANYWHERE, DISTINCTIVE, Word, words

ROOT = Path(__file__).resolve().parent.parent
LESSONS = ("lessons/*.md", "lessons/quiz.yaml")
SHOWN = "labkit/**/*.py"  # what learners see of vLLM's names beside the lessons; only paths and variables are looked at
NOT_SHOWN = "labkit/references/"


@dataclass(frozen=True)
class Line:
    """A line of a file of the course."""

    path: str
    number: int

    def __str__(self) -> str:
        return f"{self.path}:{self.number}"


class Index:
    """The table's rows by every word that stands for them."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._rows: dict[str, list[Row]] = defaultdict(list)
        self._objects = {name.partition(".")[0] for row in table.rows for name in row.also if "." in name}
        for row in table.rows:
            for name in {*row.names, *_of_path(row)}:
                self._rows[name].append(row)
        strong = [name for name, rows in self._rows.items() if _strong(name) or any(name in (row.ref, *row.also) for row in rows)]
        longest_first = "|".join(map(re.escape, sorted(strong, key=len, reverse=True)))
        self._strong = re.compile(rf"(?<![\w/])(?:{longest_first})(?![\w/])")

    def asks_for(self, word: Word) -> bool:
        """Whether a word has to be in a row. An attribute of a lesson's object has, where rows name others of the same object (`llm.generate`)."""
        return not word.own or word.text.partition(".")[0] in self._objects

    def rows(self, word: str) -> list[Row]:
        """The rows that a word stands for: those of which it is the reference itself, else all."""
        found = self._rows.get(word, [])
        return [row for row in found if row.ref == word] or found

    def named(self, word: str) -> set[str]:
        """What a word names: references, or, where it is only the word for their file, the path."""
        rows = self.rows(word)
        return {row.ref for row in rows if word in row.names or _module(row) == word} or {row.ref.partition(":")[0] for row in rows}

    def cited(self, text: str) -> Iterator[tuple[int, str]]:
        """Each line of a lesson that names a row, or the file of one, and what it names."""
        for number, line in enumerate(text.splitlines(), 1):
            yield from ((number, ref) for found in self._strong.finditer(line) for ref in self.named(found[0]))
        yield from ((word.line, ref) for word in words(text) for ref in self.named(word.text))


def _module(row: Row) -> str:
    """A Python name as an import spells it."""
    return row.ref.replace("/", ".").replace(".py:", ".")


def _strong(name: str) -> bool:
    """Whether a name stands for its row wherever it occurs in a text; `step` and `model` do not."""
    return "/" in name or bool(DISTINCTIVE.fullmatch(name))


def _of_path(row: Row) -> set[str]:
    """The words for a row's file: its path, its name, the module that it is, and the packages around that."""
    path, _, symbol = row.ref.partition(":")
    if "/" not in path or symbol.isdigit():
        return {path} if symbol and not symbol.isdigit() else set()
    module = path.removesuffix(".py").replace("/", ".")
    packages = {".".join(module.split(".")[:depth]) for depth in range(2, module.count(".") + 2)}
    return {path, path.rpartition("/")[2], _module(row), *(packages if path.endswith(".py") else ())}


def read_lessons(root: Path = ROOT) -> dict[str, str]:
    """The text of the lessons and the quiz, by path."""
    return {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for pattern in LESSONS for path in sorted(root.glob(pattern))
    }


def read_shown(root: Path = ROOT) -> dict[str, str]:
    """The text of labkit's modules, by path."""
    found = {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in sorted(root.glob(SHOWN))}
    return {path: text for path, text in found.items() if not path.startswith(NOT_SHOWN)}


def citations(table: Table, lessons: Mapping[str, str], shown: Mapping[str, str]) -> dict[str, list[Line]]:
    """Where each row, and each file of one, is named: in lessons by any of its words, in labkit by a path or a variable."""
    index, found = Index(table), defaultdict[str, set[Line]](set)
    for path, text in lessons.items():
        for number, ref in index.cited(text):
            found[ref].add(Line(path, number))
    for path, text in shown.items():
        for word in plain_words(text):
            for ref in index.named(word.text):
                found[ref].add(Line(path, word.line))
    return {ref: sorted(lines, key=lambda line: (line.path, line.number)) for ref, lines in found.items()}


def touching(cited: Mapping[str, Sequence[Line]], ref: str) -> list[Line]:
    """The lines that name a row, or the row's file; lessons first."""
    lines = {*cited.get(ref, ()), *cited.get(ref.partition(":")[0], ())}
    return sorted(lines, key=lambda line: (not line.path.startswith("lessons/"), line.path, line.number))


def plain_words(text: str) -> list[Word]:
    """Paths, modules and variables of vLLM's, and names in quotes behind them, in a module of labkit's."""
    lines = enumerate(text.splitlines(), 1)
    return [Word(found[0], number) for number, line in lines for pattern in ANYWHERE for found in pattern.finditer(_joined(line))]


def _joined(line: str) -> str:
    """A line of code in which a path and a symbol, two strings in a row, are one reference."""
    return re.sub(r'(/\w+\.py)", "([A-Za-z_])', r"\1:\2", line)


def problems(table: Table, lessons: Mapping[str, str], shown: Mapping[str, str]) -> list[str]:
    """What is wrong between the lessons and the table, each as `file:line: what, and what to do`."""
    index, used = Index(table), set[str]()
    found = [*_unknown(table, index, used, lessons, words), *_unknown(table, index, used, shown, plain_words)]
    cited = citations(table, lessons, shown)
    unused = [row.ref for row in table.rows if not touching(cited, row.ref)]
    found += [f"table.toml: {ref}: no lesson names it. Take the row out." for ref in unused]
    ignored = {word for entry in table.ignored.values() for word in entry}
    return found + [f"table.toml: ignored {word!r}: no lesson has this word. Take it out." for word in sorted(ignored - used)]


def _unknown(table: Table, index: Index, used: set[str], texts: Mapping[str, str], read: Callable[[str], list[Word]]) -> Iterable[str]:
    """Words that are in no row and not ignored; the entries that ignore one are added to `used`."""
    for path, text in texts.items():
        for word in read(text):
            if index.rows(word.text) or not index.asks_for(word):
                continue
            entry = table.ignores(word.text)
            used.add(entry)
            if not entry:
                yield f"{path}:{word.line}: {word.text} is in no row of labkit/references/table.toml. Mend it, add a row, or ignore it with a reason."
