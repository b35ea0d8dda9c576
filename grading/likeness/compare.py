"""Who in a class shares measurements. The rows lie in SQLite, and SQLite does the counting: memory does not grow with the class."""

import sqlite3
from collections.abc import Iterable, Iterator

from pydantic import BaseModel, ConfigDict

from grading.likeness import statements
from grading.likeness.runs import OURS, reference_runs
from grading.likeness.traces import Traces
from labkit.learner import token_of


class Frozen(BaseModel):
    """What is written for the report and read from it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Member(Frozen):
    """A learner of a group, or a run of the course's: how many of their traces others of it have too, and how many they have."""

    learner: str
    shared: int
    traces: int

    @property
    def shown_as(self) -> str:
        """The name as an instructor reads it."""
        run = self.learner.removeprefix(OURS)
        return self.learner if run == self.learner else f"the course's own recording ({run})"


class Group(Frozen):
    """Learners who share measurements: in which records, and how many traces at least two of them have."""

    members: tuple[Member, ...]
    records: tuple[str, ...]
    traces: int


class Named(Frozen):
    """A learner whose records carry the name or the token of somebody else; `names` is "" where nobody here has the token."""

    learner: str
    names: str
    records: int
    here: bool  # somebody in this class is called so


class Alike(Frozen):
    """What a class shares: groups, the largest agreement first; the records that name somebody else, by learner.

    `cut`: whose evidence was not looked at whole, as it is more than a course leaves.
    """

    groups: tuple[Group, ...] = ()
    named: tuple[Named, ...] = ()
    cut: tuple[str, ...] = ()


def keep(store: sqlite3.Connection, learner: str, traces: Traces) -> None:
    """Keep the traces of a learner's submission in the store, in place of what an earlier one left."""
    store.execute("DELETE FROM likeness WHERE learner = ?", (learner,))
    store.executemany("INSERT INTO likeness VALUES (?, ?, ?, ?)", ((learner, *row) for row in traces.rows))


def alike_with_ours(store: sqlite3.Connection) -> Alike:
    """Return who shares measurements with another or with a run that the course publishes. Such runs do not stay in the store."""
    runs = reference_runs()
    for name, traces in runs.items():
        keep(store, name, traces)
    try:
        return alike(store)
    finally:
        store.executemany("DELETE FROM likeness WHERE learner = ?", [(name,) for name in runs])


def alike(store: sqlite3.Connection) -> Alike:
    """Return who shares measurements. The order in which rows were kept does not matter."""
    store.create_function("token_of", 1, token_of, deterministic=True)
    try:
        _run(store, statements.COMPARE)
        _number(store, _joined(store.execute(statements.PAIRS, statements.BOUNDS)))
        _run(store, statements.GROUPED)
        groups = sorted(_groups(store), key=lambda group: (-group.traces, group.members[0].learner))
        named = [
            Named(learner=who, names=whose, records=count, here=bool(here)) for who, whose, count, here in store.execute(statements.NAMED)
        ]
        return Alike(groups=tuple(groups), named=tuple(named), cut=tuple(row[0] for row in store.execute(statements.CUT)))
    finally:
        _run(store, "".join(f"DROP TABLE IF EXISTS temp.{name};" for name in statements.TEMPORARY))


def _run(store: sqlite3.Connection, script: str) -> None:
    """Execute statements one by one; `executescript` would commit what the caller has not."""
    for statement in script.split(";"):
        if statement.strip():
            store.execute(statement, statements.BOUNDS)


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return {learner: the first of their group}: groups are what pairs connect."""
    root: dict[str, str] = {}

    def first(one: str) -> str:
        while root.setdefault(one, one) != one:
            root[one] = root[root[one]]
            one = root[one]
        return one

    for one, other in pairs:
        low, high = sorted((first(one), first(other)))
        root[high] = low
    return {one: first(one) for one in sorted(root)}


def _number(store: sqlite3.Connection, groups: dict[str, str]) -> None:
    numbers = {first: number for number, first in enumerate(sorted(set(groups.values())))}
    store.execute("CREATE TEMP TABLE grp (learner TEXT PRIMARY KEY, number INTEGER NOT NULL)")
    store.executemany("INSERT INTO grp VALUES (?, ?)", ((learner, numbers[first]) for learner, first in groups.items()))


def _groups(store: sqlite3.Connection) -> Iterator[Group]:
    for number, traces in store.execute("SELECT number, COUNT(*) FROM common GROUP BY number").fetchall():
        members = [Member(learner=who, shared=shared, traces=own) for who, shared, own in store.execute(statements.MEMBERS, (number,))]
        records = [row[0] for row in store.execute("SELECT record FROM concerned WHERE number = ? ORDER BY record", (number,))]
        yield Group(members=tuple(members), records=tuple(records), traces=traces)
