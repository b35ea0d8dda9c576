"""Opens an SQLite file that anyone may have made: read only, plain tables only, within a time, and with every failure a BadTrace."""

import re
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

from labkit.trace.errors import BadTrace
from labkit.trace.sqlite_header import check_file

AGAIN = "Export the recording again: nsys export --type sqlite --force-overwrite=true FILE.nsys-rep"
CHUNK = 1_000  # rows held at a time
OPERATIONS = 20_000  # of SQLite's machine, between two looks at the clock: a few milliseconds
FUNCTIONS = {"coalesce", "count", "min", "max", "substr"}
FAILURES = (sqlite3.Error, UnicodeError, OverflowError, MemoryError)  # UnicodeError: even SQLite's message may quote the file's bytes
PRAGMAS = ("trusted_schema=OFF", "query_only=ON", "cell_size_check=ON", "temp_store=MEMORY", "mmap_size=0", "cache_size=-4000")
LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 1_000_000,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 200,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 50,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 4,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 50_000,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 8,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 100,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}


class Export:
    """An open SQLite file of which only the named tables can be read, each only if it is a plain table."""

    def __init__(self, path: Path, tables: frozenset[str], seconds: float) -> None:
        check_file(path)
        self.name, self.tables, self.seconds = path.name, tables | {"sqlite_master"}, seconds
        self.deadline = time.monotonic() + seconds
        try:
            self.connection = _connect(path, self)
        except FAILURES as error:
            raise self._bad(error) from None
        try:
            self.columns = self._plain_tables()
        except BaseException:
            self.connection.close()
            raise

    def __enter__(self) -> "Export":
        return self

    def __exit__(self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self.connection.close()

    def rows(self, query: str, parameters: Sequence[object] = ()) -> Iterator[list[tuple[Any, ...]]]:
        """Yield the rows of a query, CHUNK at a time. Raises BadTrace."""
        try:
            cursor = self.connection.execute(query, parameters)
            while chunk := cursor.fetchmany(CHUNK):
                yield chunk
                if self.late():
                    raise sqlite3.OperationalError("interrupted")
        except FAILURES as error:
            raise self._bad(error) from None

    def select(
        self, table: str, columns: Sequence[str], rest: str = "", parameters: Sequence[object] = ()
    ) -> Iterator[list[tuple[Any, ...]]]:
        """Yield these columns of a table, CHUNK rows at a time. Nothing of it comes from the file. Raises BadTrace."""
        return self.rows(f"SELECT {', '.join(columns)} FROM {table} {rest}", parameters)  # noqa: S608 - the callers' own words only

    def all(
        self, table: str, columns: Sequence[str], rest: str = "", parameters: Sequence[object] = (), most: int = 10_000
    ) -> list[tuple[Any, ...]]:
        """Return these columns of a table that has few rows. Raises BadTrace."""
        return self._few(self.select(table, columns, rest, parameters), most)

    def _few(self, chunks: Iterator[list[tuple[Any, ...]]], most: int = 10_000) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = []
        for chunk in chunks:
            found += chunk
            if len(found) > most:
                raise BadTrace(f"{self.name} gives more than {most:,} rows where few belong", "an export as nsys writes it", AGAIN)
        return found

    def late(self) -> bool:
        """Say whether the time for reading is over."""
        return time.monotonic() > self.deadline

    def allow(self, action: int, first: str | None, second: str | None, _database: str | None, inside: str | None) -> int:
        """Answer SQLite's question whether a statement may do something: read the named tables, call a few functions, no more."""
        allowed = {
            sqlite3.SQLITE_SELECT: inside is None,
            sqlite3.SQLITE_READ: inside is None and first in self.tables,
            sqlite3.SQLITE_FUNCTION: inside is None and str(second).lower() in FUNCTIONS,
            sqlite3.SQLITE_PRAGMA: first == "table_xinfo",
        }
        return sqlite3.SQLITE_OK if allowed.get(action) else sqlite3.SQLITE_DENY

    def _plain_tables(self) -> dict[str, frozenset[str]]:
        found = self.all("sqlite_master", ["type", "name", "rootpage", "substr(sql, 1, 30)"])
        if bad := [name for _, name, *_ in found if type(name) is not str]:
            raise BadTrace(f"{self.name} has a table with the name {bad[0]!r}", "an export as nsys writes it", AGAIN)
        wanted = [row for row in found if row[1] in self.tables]
        for kind, name, root, sql in wanted:
            plain = kind == "table" and type(root) is int and root > 0 and re.match(r"CREATE TABLE\b", str(sql), re.IGNORECASE)
            if not plain:
                raise BadTrace(f"In {self.name}, {name} is no plain table", "an export as nsys writes it", AGAIN)
        return {name: self._columns(name) for _, name, _, _ in wanted}

    def _columns(self, table: str) -> frozenset[str]:
        found = self._few(self.rows(f'PRAGMA table_xinfo("{table}")'))  # one of the names in self.tables
        if not found or any(hidden for *_, hidden in found):
            raise BadTrace(f"In {self.name}, {table} has columns that are computed", "columns that hold what nsys wrote", AGAIN)
        return frozenset(name for _, name, *_ in found)

    def _bad(self, error: Exception) -> BadTrace:
        if self.late() or "interrupted" in str(error):
            seen = f"Reading {self.name} took more than {self.seconds:g} seconds"
            return BadTrace(seen, "a file that can be read in that time", "Record less: a narrower capture range, fewer steps.")
        return BadTrace(f"{self.name} cannot be read as an SQLite file: {str(error)[:200]}", "an export as nsys writes it", AGAIN)


def _connect(path: Path, export: Export) -> sqlite3.Connection:
    address = f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1"
    connection = sqlite3.connect(address, uri=True, isolation_level=None, cached_statements=0)
    try:
        for limit, value in LIMITS.items():
            connection.setlimit(limit, value)
        connection.set_progress_handler(export.late, OPERATIONS)
        connection.text_factory = lambda raw: raw.decode(errors="replace")
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        connection.set_authorizer(export.allow)
    except BaseException:
        connection.close()
        raise
    return connection
