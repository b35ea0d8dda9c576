"""Exports that somebody made to do harm: each ends as a BadTrace, soon and in little memory. Each of them also goes through `totals`."""

import contextlib
import os
import re
import sqlite3
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.trace import nsys
from labkit.trace.bounds import MAX_NAMES
from labkit.trace.errors import BadTrace
from labkit.trace.sqlite_safe import LIMITS, Export
from tests.labkit.trace_files.exports import CALLS, COLUMNS, COPY, KERNEL, PROCESS, RANGES, ROWS, THREAD, export, recording, script

READERS: list[Callable[[Path], object]] = [nsys.read, nsys.totals]
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"


@pytest.fixture(params=READERS, ids=["read", "totals"])
def reader(request: pytest.FixtureRequest) -> Callable[[Path], object]:
    found: Callable[[Path], object] = request.param
    return found


def refused(reader: Callable[[Path], object], path: Path, said: str) -> None:
    """Expect a BadTrace of the right form, within seconds."""
    began = time.process_time()
    with pytest.raises(BadTrace, match=said) as caught:
        reader(path)
    assert time.process_time() - began < 5
    assert re.fullmatch(r".+\. Expected .+\. .+", str(caught.value), re.DOTALL)
    assert len(str(caught.value)) < 1000


# Files that are no SQLite files, or not whole


def bytes_of(folder: Path) -> bytearray:
    return bytearray(export(folder / "good.sqlite").read_bytes())


def header(folder: Path, place: int, value: bytes) -> bytes:
    raw = bytes_of(folder)
    raw[place : place + len(value)] = value
    return bytes(raw)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda _: b"", "is empty"),
        (lambda _: b"QDSTRM\0" * 100, r"is no SQLite file. Expected .*, not the .nsys-rep"),
        (lambda _: b"SQLite format 3\0", "is no SQLite file"),
        (lambda _: os.urandom(8192), "is no SQLite file"),  # what an encrypted one looks like
        (lambda _: bytes(8192), "is no SQLite file"),
        (lambda folder: bytes(bytes_of(folder)[:-1]), "is cut short"),
        (lambda folder: bytes(bytes_of(folder)[:5000]), "is cut short"),
        (lambda folder: header(folder, 18, b"\2\2"), "write-ahead log"),
        (lambda folder: header(folder, 18, b"\7\7"), "a header that is not SQLite's"),
        (lambda folder: header(folder, 16, b"\0\3"), "a header that is not SQLite's"),
        (lambda folder: header(folder, 16, b"\0\0"), "a header that is not SQLite's"),
        (lambda folder: header(folder, 100, b"\5"), "."),
        (lambda folder: header(folder, 103, b"\xff\xff"), "thousands of tables"),
        (lambda folder: header(folder, 44, b"\0\0\0\7"), "cannot be read"),  # a schema format that does not exist
    ],
)
def test_files_that_are_not_whole(tmp_path: Path, reader: Callable[[Path], object], make: Callable[[Path], bytes], said: str) -> None:
    path = tmp_path / "bad.sqlite"
    path.write_bytes(make(tmp_path))
    refused(reader, path, said)


def test_what_is_no_file(tmp_path: Path, reader: Callable[[Path], object]) -> None:
    refused(reader, tmp_path / "none.sqlite", "cannot be opened: No such file")
    refused(reader, tmp_path, "cannot be opened|is no file")
    os.mkfifo(tmp_path / "pipe")
    refused(reader, tmp_path / "pipe", "is no file")
    refused(reader, Path("/dev/zero"), "is no file")


def test_every_page_of_zeros_is_seen(tmp_path: Path, reader: Callable[[Path], object]) -> None:
    raw = bytes_of(tmp_path)
    path = tmp_path / "zeros.sqlite"
    path.write_bytes(raw[:4096] + bytes(len(raw) - 4096))
    refused(reader, path, "cannot be read")


def test_a_sparse_file_of_a_terabyte_is_not_read(tmp_path: Path, reader: Callable[[Path], object]) -> None:
    path = export(tmp_path / "a.sqlite")
    os.truncate(path, 2**40)
    with contextlib.suppress(BadTrace):
        assert reader(path)  # the header says where it ends


def test_a_write_ahead_log_is_refused(tmp_path: Path, reader: Callable[[Path], object]) -> None:
    path = script(export(tmp_path / "a.sqlite"), "PRAGMA journal_mode=WAL;")
    refused(reader, path, "write-ahead log")


def test_a_name_cannot_change_how_the_file_is_opened(tmp_path: Path, reader: Callable[[Path], object]) -> None:
    path = export(tmp_path / "a?mode=rwc&immutable=0#%41.sqlite")
    before = path.read_bytes()
    assert reader(path)
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


# Things that stand where a table belongs


@pytest.mark.parametrize("table", [KERNEL, "StringIds", "META_DATA_EXPORT", "TARGET_INFO_GPU"])
@pytest.mark.parametrize(
    "stands",
    [
        "CREATE VIEW {} AS " + ENDLESS + " SELECT i AS id, i AS start, i AS end, i AS name, i AS value FROM n",
        "CREATE VIEW {} AS SELECT 1 AS id, 1 AS start, 2 AS end, load_extension('/tmp/x.so') AS name, 2 AS value",
        "CREATE VIRTUAL TABLE {} USING fts5(id, start, end, name, value)",
        "CREATE TABLE {} (id INTEGER, start INTEGER, end INTEGER AS (length(zeroblob(1000000000))), name TEXT, value TEXT)",
        "CREATE TABLE {} (id INTEGER, start INTEGER, end INTEGER AS (start * 2) STORED, name TEXT, value TEXT)",
    ],
)
def test_no_plain_table(tmp_path: Path, reader: Callable[[Path], object], table: str, stands: str) -> None:
    path = export(tmp_path / "a.sqlite", ROWS)
    script(path, f"DROP TABLE IF EXISTS {table}; {stands.format(table)};")
    refused(reader, path, "is no plain table|has columns that are computed")


@pytest.mark.parametrize(
    "as_what", ["CREATE VIEW v AS SELECT 1 AS start, 2 AS end", "CREATE TABLE other(start, end)", "CREATE TABLE", "nonsense", ""]
)
def test_a_list_of_tables_that_lies(tmp_path: Path, reader: Callable[[Path], object], as_what: str) -> None:
    path = script(export(tmp_path / "a.sqlite"), f"UPDATE sqlite_master SET sql = '{as_what}' WHERE name = '{KERNEL}';")
    refused(reader, path, "is no plain table|cannot be read|no column|columns that are computed")


def test_a_table_that_is_another_ones_pages(tmp_path: Path, reader: Callable[[Path], object]) -> None:
    path = script(export(tmp_path / "a.sqlite"), f"UPDATE sqlite_master SET rootpage = 1 WHERE name = '{KERNEL}';")
    refused(reader, path, ".")


def test_tables_without_rowid_and_triggers_beside_them_are_harmless(tmp_path: Path, reader: Callable[[Path], object]) -> None:
    path = script(
        export(tmp_path / "a.sqlite"),
        f"""CREATE TABLE w (start INTEGER, end INTEGER, correlationId INTEGER, PRIMARY KEY (start)) WITHOUT ROWID;
        INSERT INTO w SELECT start, end, correlationId FROM {KERNEL}; DROP TABLE {KERNEL}; ALTER TABLE w RENAME TO {KERNEL};
        CREATE TRIGGER t BEFORE INSERT ON {CALLS} BEGIN DELETE FROM {CALLS}; END; CREATE VIEW beside AS {ENDLESS} SELECT i FROM n;""",
    )
    assert reader(path)


def test_thousands_of_tables(tmp_path: Path, reader: Callable[[Path], object]) -> None:
    path = script(export(tmp_path / "a.sqlite"), "BEGIN;" + "".join(f"CREATE TABLE t{n} (a);" for n in range(6000)) + "COMMIT;")
    refused(reader, path, "thousands of tables")


def test_a_list_of_tables_that_leads_back_into_itself(tmp_path: Path, reader: Callable[[Path], object]) -> None:
    path = script(export(tmp_path / "a.sqlite"), "BEGIN;" + "".join(f"CREATE TABLE t{n} (a);" for n in range(200)) + "COMMIT;")
    raw = bytearray(path.read_bytes())
    assert raw[100] == 5  # the root has children now
    raw[108:112] = struct.pack(">I", 1)
    path.write_bytes(raw)
    refused(reader, path, "leads back into itself")


def test_a_table_with_a_million_columns_or_an_endless_default(tmp_path: Path, reader: Callable[[Path], object]) -> None:
    columns = COLUMNS[KERNEL] + "".join(f", c{n} INTEGER" for n in range(1500))
    refused(reader, export(tmp_path / "a.sqlite", {KERNEL: []}, {KERNEL: columns}), "cannot be read")
    path = script(export(tmp_path / "b.sqlite"), f"CREATE TABLE d (a CHECK (a > {'1 + ' * 800} 1));")
    refused(reader, path, "cannot be read")


# Values of the wrong type


def with_value(path: Path, table: str, column: str, value: str) -> Path:
    """Make an export whose columns have no type, so that any value stays as it is."""
    loose = {
        name: columns.replace("INTEGER", "").replace("TEXT", "").replace("NOT NULL PRIMARY KEY", "INTEGER PRIMARY KEY")
        for name, columns in COLUMNS.items()
    }
    rows = {**ROWS, COPY: [(1500, 1501, 7, 1, PROCESS, 64, 1)]}
    return script(export(path, rows, loose), f"UPDATE {table} SET {column} = {value} WHERE rowid = 1;")


@pytest.mark.parametrize(
    "value", ["'text'", "1.5", "9e300", "x'00ff'", "zeroblob(100)", "9223372036854775808", "-9223372036854775808", "'1500'", "''"]
)
@pytest.mark.parametrize(
    ("table", "column"),
    [(KERNEL, "start"), (KERNEL, "end"), (CALLS, "start"), (RANGES, "end"), (COPY, "bytes"), (COPY, "start")],
)
def test_times_and_sizes_of_the_wrong_type(tmp_path: Path, reader: Callable[[Path], object], table: str, column: str, value: str) -> None:
    path = with_value(tmp_path / "a.sqlite", table, column, value)
    refused(reader, path, "not whole numbers|wrong type|without a time|more than 146 years|ends before it starts|negative size")


@pytest.mark.parametrize("value", ["'text'", "1.5", "x'00ff'", "1e400"])
@pytest.mark.parametrize(
    ("table", "column"), [(KERNEL, "demangledName"), (CALLS, "nameId"), (RANGES, "textId"), (RANGES, "globalTid"), (COPY, "copyKind")]
)
def test_numbers_of_the_wrong_type(tmp_path: Path, reader: Callable[[Path], object], table: str, column: str, value: str) -> None:
    refused(reader, with_value(tmp_path / "a.sqlite", table, column, value), "wrong type")


def test_a_text_of_the_wrong_type(tmp_path: Path, reader: Callable[[Path], object]) -> None:
    refused(reader, with_value(tmp_path / "a.sqlite", RANGES, "text", "x'00ff'"), "wrong type")
    assert reader(with_value(tmp_path / "b.sqlite", RANGES, "text", "1.5"))  # SQLite makes a text of a number


def test_missing_values(tmp_path: Path, reader: Callable[[Path], object]) -> None:
    refused(reader, with_value(tmp_path / "a.sqlite", KERNEL, "end", "NULL"), "not whole numbers")
    for number, (table, column) in enumerate(
        [
            (KERNEL, "correlationId"),
            (KERNEL, "globalPid"),
            (KERNEL, "streamId"),
            (CALLS, "globalTid"),
            (CALLS, "nameId"),
            (RANGES, "textId"),
        ]
    ):
        assert reader(with_value(tmp_path / f"{number}.sqlite", table, column, "NULL"))
    refused(reader, with_value(tmp_path / "b.sqlite", KERNEL, "start", "NULL"), "not whole numbers")


def test_an_event_that_ends_before_it_starts(tmp_path: Path, reader: Callable[[Path], object]) -> None:
    refused(reader, with_value(tmp_path / "a.sqlite", KERNEL, "end", "1499"), "ends before it starts")


def test_text_that_is_no_utf8(tmp_path: Path, reader: Callable[[Path], object]) -> None:
    path = script(export(tmp_path / "a.sqlite"), "UPDATE StringIds SET value = CAST(x'ff00fe' AS TEXT) WHERE id = 1;")
    assert reader(path)
    assert nsys.read(path).work[0].name.encode()


def test_an_error_that_quotes_bytes_that_are_no_text(tmp_path: Path, reader: Callable[[Path], object]) -> None:
    raw = bytes_of(tmp_path)
    path = tmp_path / "b.sqlite"
    path.write_bytes(raw.replace(b"CREATE TABLE " + KERNEL.encode(), b"CREATE TABLF \x80" + KERNEL.encode()[1:]))
    refused(reader, path, "cannot be read|is no plain table")


# Sizes and times without end


def test_one_enormous_text(tmp_path: Path, reader: Callable[[Path], object]) -> None:
    path = script(export(tmp_path / "a.sqlite"), "UPDATE StringIds SET value = CAST(zeroblob(50000000) AS TEXT) WHERE id = 1;")
    refused(reader, path, "too big")
    path = script(export(tmp_path / "b.sqlite"), "INSERT INTO StringIds VALUES (99, CAST(zeroblob(50000000) AS TEXT));")
    assert reader(path)  # nobody asks for it


def test_many_long_names(tmp_path: Path, reader: Callable[[Path], object]) -> None:
    path = export(tmp_path / "a.sqlite")
    count = MAX_NAMES // 16_000 + 10
    script(
        path,
        f"{ENDLESS.replace('n)', f'n LIMIT {count})')} INSERT INTO {RANGES} SELECT 1, 2, 59, i || 'x' || hex(zeroblob(10000)), NULL, {THREAD}, 0 FROM n;",
    )
    refused(reader, path, "characters long together")


def test_the_time_is_bounded(tmp_path: Path) -> None:
    path = export(tmp_path / "a.sqlite")
    for late in (lambda: nsys.read(path, seconds=0), lambda: nsys.totals(path, seconds=0)):
        with pytest.raises(BadTrace, match="took more than 0 seconds"):
            late()


def _large_table(folder: Path) -> tuple[Path, int]:
    """Return an export whose table of calls has inner pages, and the number of its root page."""
    path = script(
        export(folder / "a.sqlite"), f"{ENDLESS.replace('n)', 'n LIMIT 90000)')} INSERT INTO {CALLS} SELECT 1, 2, {THREAD}, i, 3 FROM n;"
    )
    with sqlite3.connect(path) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (CALLS,)).fetchone()
    return path, root


def test_a_tree_of_pages_that_all_point_to_the_same_leaf_ends(tmp_path: Path, reader: Callable[[Path], object]) -> None:
    """A table of a few pages that reads as billions of rows: every pointer of an inner page leads to the same child."""
    path, root = _large_table(tmp_path)
    raw, at = bytearray(path.read_bytes()), (root - 1) * 4096
    assert raw[at] == 5
    count = int.from_bytes(raw[at + 3 : at + 5], "big")
    child = raw[at + 8 : at + 12]
    for place in struct.unpack_from(f">{count}H", raw, at + 12):
        raw[at + place : at + place + 4] = child
    path.write_bytes(raw)
    with contextlib.suppress(BadTrace):
        reader(path)


def test_an_inner_page_that_is_its_own_child_ends(tmp_path: Path) -> None:
    path, root = _large_table(tmp_path)
    raw, at = bytearray(path.read_bytes()), (root - 1) * 4096
    count = int.from_bytes(raw[at + 3 : at + 5], "big")
    for place in struct.unpack_from(f">{count}H", raw, at + 12):
        raw[at + place : at + place + 4] = struct.pack(">I", root)
    path.write_bytes(raw)
    for reader in READERS:
        refused(reader, path, "cannot be read|took more than")


def test_a_few_pages_that_read_as_more_rows_than_there_are_atoms(tmp_path: Path) -> None:
    """Eight levels of inner pages, each with hundreds of pointers to the one page of the next level."""
    path = script(
        export(tmp_path / "a.sqlite"), f"{ENDLESS.replace('n)', 'n LIMIT 90000)')} INSERT INTO {CALLS} SELECT 1, 2, {THREAD}, i, 3 FROM n;"
    )
    with sqlite3.connect(path) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (CALLS,)).fetchone()
    raw = bytearray(path.read_bytes())
    page = raw[(root - 1) * 4096 : root * 4096]
    (child,) = struct.unpack_from(">I", page, 8)
    places = (*struct.unpack_from(f">{int.from_bytes(page[3:5], 'big')}H", page, 12), 8)
    for _ in range(8):
        for place in places:
            struct.pack_into(">I", page, place, child)
        raw += page
        child = len(raw) // 4096
    raw[(root - 1) * 4096 : root * 4096] = page
    raw[28:32] = struct.pack(">I", child)
    path.write_bytes(raw)
    for late in (lambda: nsys.read(path, seconds=0.5), lambda: nsys.totals(path, seconds=0.5)):
        began = time.process_time()
        with pytest.raises(BadTrace, match="took more than 0.5 seconds"):
            late()
        assert time.process_time() - began < 5


# What a statement may do


def test_a_statement_may_only_read_the_named_tables(tmp_path: Path) -> None:
    path = script(export(tmp_path / "a.sqlite"), "CREATE TABLE SECRETS (a); INSERT INTO SECRETS VALUES (1);")
    with Export(path, frozenset(ROWS), 5) as opened:
        assert opened.all(KERNEL, ["count(*)"]) == [(2,)]
        for query in (
            "SELECT * FROM SECRETS",
            f"DELETE FROM {KERNEL}",
            "SELECT load_extension('x')",
            "SELECT zeroblob(1000000000)",
            f"SELECT hex(start) FROM {KERNEL}",
            f"{ENDLESS} SELECT i FROM n",
            "ATTACH '/tmp/other' AS other",
            "PRAGMA query_only=OFF",
            "PRAGMA writable_schema=ON",
            "SELECT * FROM pragma_database_list",
            "VACUUM INTO '/tmp/copy'",
            "CREATE TEMP TABLE t (a)",
        ):
            with pytest.raises(BadTrace, match="not authorized|authorization denied|prohibited|no such|too many"):
                list(opened.rows(query))
        for limit, value in LIMITS.items():
            assert opened.connection.getlimit(limit) <= value


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damage_anywhere_is_a_bad_trace_or_a_trace(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("damage")
    raw = bytearray(export(folder / "a.sqlite").read_bytes())
    for _ in range(data.draw(st.integers(1, 20))):
        place = data.draw(st.integers(0, len(raw) - 1) | st.integers(0, 200))
        raw[place] = data.draw(st.integers(0, 255))
    path = folder / "b.sqlite"
    path.write_bytes(raw)
    for reader in READERS:
        with contextlib.suppress(BadTrace):
            reader(path)


def test_the_real_export_damaged_in_a_thousand_places(tmp_path: Path) -> None:
    good = recording(tmp_path).read_bytes()
    path = tmp_path / "b.sqlite"
    for page in range(0, len(good) // 4096, 3):
        raw = bytearray(good)
        for place in range(page * 4096, (page + 1) * 4096, 97):
            raw[place] ^= 0x55
        path.write_bytes(raw)
        with contextlib.suppress(BadTrace):
            nsys.totals(path)


MEASURE = """
import sys
from pathlib import Path
from labkit.trace import nsys
from labkit.trace.errors import BadTrace
def peak():  # ru_maxrss would count the parent, which this process began as
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
before = peak()
try:
    getattr(nsys, sys.argv[1])(Path(sys.argv[2]))
except BadTrace as error:
    print(str(error)[:60], file=sys.stderr)
print((peak() - before) // 1024)
"""


@pytest.mark.parametrize("name", ["read", "totals"])
def test_memory_is_bounded(tmp_path: Path, name: str) -> None:
    """Two million calls, a fifth of them with names of their own, and long texts: 100 MB that must not become a gigabyte."""
    path = export(tmp_path / "a.sqlite")
    script(
        path,
        f"""BEGIN; {ENDLESS.replace("n)", "n LIMIT 2000000)")} INSERT INTO {CALLS} SELECT i, i + 2, {THREAD}, i, i % 90000 FROM n;
        {ENDLESS.replace("n)", "n LIMIT 800)")} INSERT INTO {RANGES} SELECT 1, 2, 59, i || hex(zeroblob(8000)), NULL, {THREAD}, 0 FROM n; COMMIT;""",
    )
    done = subprocess.run([sys.executable, "-c", MEASURE, name, str(path)], capture_output=True, text=True, check=True)
    assert 0 < int(done.stdout) < 150, done.stderr
