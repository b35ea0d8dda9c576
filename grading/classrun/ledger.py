"""What has been graded, of which files, by which checks: a small SQLite file beside the gradebook. Losing it costs time, no grade."""

import json
import sqlite3
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from grading.likeness import TABLE as LIKENESS
from grading.verdict import Verdict

_TABLE = """
CREATE TABLE IF NOT EXISTS submission (learner TEXT PRIMARY KEY, digest TEXT NOT NULL, frame TEXT NOT NULL, checks TEXT NOT NULL,
  verdicts BLOB NOT NULL, repaired INTEGER NOT NULL, rows TEXT NOT NULL);
"""


@dataclass(frozen=True)
class Entry:
    """One graded submission: digests of its files, of the frame, of each check and of its rows in the gradebook; its verdicts."""

    submission: str
    frame: str
    checks: dict[str, str]
    verdicts: dict[str, Verdict]
    repaired: int
    rows: str


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the ledger; a damaged one is set aside and begun anew, then everything is graded again."""
    store = _connected(path)
    try:
        yield store
    finally:
        store.close()


def _connected(path: Path) -> sqlite3.Connection:
    for _ in range(2):
        store = sqlite3.connect(path, timeout=30)
        try:
            store.executescript(_TABLE + LIKENESS)
            if store.execute("PRAGMA quick_check").fetchone() == ("ok",):
                return store
        except sqlite3.OperationalError:
            store.close()
            raise
        except sqlite3.DatabaseError:
            pass
        store.close()
        path.replace(path.with_name(path.name + ".damaged"))
    raise sqlite3.DatabaseError(f"{path} cannot be made")


def entry(store: sqlite3.Connection, learner: str) -> Entry | None:
    """Return what is known of a learner's submission."""
    row = store.execute("SELECT digest, frame, checks, verdicts, repaired, rows FROM submission WHERE learner = ?", (learner,)).fetchone()
    if row is None:
        return None
    said = json.loads(zlib.decompress(row[3]))
    verdicts = {grade_id: Verdict.model_validate(one) for grade_id, one in said.items()}
    return Entry(row[0], row[1], json.loads(row[2]), verdicts, row[4], row[5])


def enter(store: sqlite3.Connection, learner: str, one: Entry) -> None:
    """Note a graded submission. The caller commits, after the gradebook."""
    verdicts = zlib.compress(json.dumps({name: verdict.model_dump() for name, verdict in one.verdicts.items()}).encode())
    row = (learner, one.submission, one.frame, json.dumps(one.checks), verdicts, one.repaired, one.rows)
    store.execute("INSERT OR REPLACE INTO submission VALUES (?, ?, ?, ?, ?, ?, ?)", row)


def forget_others(store: sqlite3.Connection, learners: Collection[str]) -> None:
    """Forget who is not in the class any more, so that nobody is compared with them."""
    known = [str(row[0]) for row in store.execute("SELECT learner FROM submission")]
    gone = [(one,) for one in known if one not in learners]
    for table in ("submission", "likeness"):
        store.executemany(f"DELETE FROM {table} WHERE learner = ?", gone)  # noqa: S608 - names of ours
    store.commit()
