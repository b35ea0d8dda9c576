"""The reference table: everything of vLLM's source that lessons name, and what it teaches. `table.toml` is the only place for it."""

import re
import tomllib
from functools import cache
from pathlib import Path

from packaging.version import Version
from pydantic import Field, ValidationError

from labkit.records import Strict

TABLE = Path(__file__).with_name("table.toml")


class BadTable(Exception):
    """The table cannot be read. The text names the row."""


class Row(Strict):
    """One reference. `ref` is `path:symbol`, a path, a variable of the environment or an operator, as labkit.references.find tells them apart.

    `also` are other words for it in lessons. `says` is the text of the line that `path:NUMBER` means, `inside` the function that it stands in. `since` is the first version that has
    it, `until` the first that has it no more; `renamed` maps a version to what it was called in all earlier ones.
    """

    ref: str
    teaches: str
    also: tuple[str, ...] = ()
    says: str = ""
    inside: str = ""
    since: str = ""
    until: str = ""
    renamed: dict[str, str] = Field(default={})

    @property
    def path(self) -> str:
        """What stands before the path's colon: the file, or the whole reference where there is no colon."""
        return self.ref.partition(":")[0]

    @property
    def symbol(self) -> str:
        """What stands behind the path's colon, "" where nothing does."""
        return self.ref.partition(":")[2]

    @property
    def names(self) -> frozenset[str]:
        """The words that stand for this reference: itself, its symbol, the last part of a dotted one, and what `also` adds."""
        last = self.symbol.rpartition(".")[2]
        return frozenset({self.ref, *self.also} | ({self.symbol, last} if self.symbol and not self.symbol.isdigit() else set()))

    def called(self, version: Version) -> str:
        """What the reference is called in a version."""
        later = [(Version(at), old) for at, old in self.renamed.items() if version < Version(at)]
        return min(later)[1] if later else self.ref

    def expected(self, version: Version) -> bool:
        """Whether a version has it."""
        return not (self.since and version < Version(self.since)) and not (self.until and version >= Version(self.until))


class Table(Strict):
    """All rows, and what lessons name that is not vLLM's: {reason: words}. A word may hold `*`."""

    rows: tuple[Row, ...]
    ignored: dict[str, tuple[str, ...]]

    def named(self, ref: str) -> Row | None:
        """Return the row of a reference, by any of its names; None where there is none."""
        exact = (row for row in self.rows if row.ref == ref)
        return next(exact, None) or next((row for row in self.rows if ref in row.names), None)

    def ignores(self, word: str) -> str:
        """Return the ignored word that a word is, "" when it is none of them."""
        return next((known for known in _flat(self.ignored) if _pattern(known).fullmatch(word)), "")


@cache
def read_table(path: Path = TABLE) -> Table:
    """Read the table. Raises BadTable with the row that is wrong."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        rows = tuple(_row(ref, value) for ref, value in content["references"].items())
        return Table(rows=rows, ignored=content["ignored"])
    except (OSError, KeyError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise BadTable(f"{path.name}: {error}") from error


def _row(ref: str, value: str | dict[str, object]) -> Row:
    given = {"teaches": value} if isinstance(value, str) else value
    try:
        return Row.model_validate({"ref": ref, **given})
    except ValidationError as error:
        raise BadTable(f"row {ref!r}: {error}") from error


def _flat(ignored: dict[str, tuple[str, ...]]) -> list[str]:
    return [word for words in ignored.values() for word in words]


@cache
def _pattern(word: str) -> re.Pattern[str]:
    return re.compile(re.escape(word).replace(r"\*", ".*"))
