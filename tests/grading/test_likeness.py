"""Likeness: copies of measurements are found in whatever clothes, and two honest runs are not alike."""

import gzip
import hashlib
import json
import os
import random
import re
import shutil
import sqlite3
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

import labkit
from grading.likeness import (
    TABLE,
    Alike,
    Trace,
    Traces,
    alike,
    alike_path,
    alike_with_ours,
    fingerprints,
    keep,
    load_alike,
    save_alike,
    summary_lines,
)
from grading.likeness import traces as traces_module
from grading.likeness.known import keys
from grading.likeness.runs import OURS, reference_runs
from grading.likeness.statements import BOUNDS
from grading.likeness.values import MAX_NODES, exact, found_in
from labkit.learner import token_of, word

RECORDINGS = Path(__file__).parents[2] / "recordings"
Change = Callable[[dict[str, Any]], Any]


def handed_in(to: Path, learner: str, lane: str = "cpu", change: Change | None = None, trace: Callable[[int], int] | None = None) -> Path:
    """Hand in a recorded run as this learner's; `change` is made to each record, and `trace` to each long number of its profiles."""
    shutil.copytree(RECORDINGS / f"{lane}-reference" / "evidence", to / "evidence")
    for path in sorted((to / "evidence").glob("*.json")):
        record = json.loads(path.read_text())
        record |= {"learner": learner, "token": token_of(learner)}
        path.write_text(json.dumps(change(record) if change else record))
    for path in sorted((to / "evidence" / "files").glob("*.gz")) if trace else []:
        data = json.loads(gzip.decompress(path.read_bytes()))
        assert trace
        data["ranges"] = {
            name: [trace(one) if name in ("start", "length") else one for one in column] for name, column in data["ranges"].items()
        }
        path.write_bytes(gzip.compress(json.dumps(data).encode()))
    return to


def each_number(change: Callable[[float], float]) -> Change:
    """Return a change of all numbers with a fraction, and of whole numbers of pages."""

    def changed(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: changed(one, name) for name, one in value.items()}
        if isinstance(value, list):
            return [changed(one, key) for one in value]
        pages = key in ("rss", "own", "whole")
        return change(value) if isinstance(value, float) else round(change(value / 4096)) * 4096 if pages else value

    return changed


def another_run(seed: int) -> tuple[Change, Callable[[int], int]]:
    """Return the changes that make of a run another one on a machine of the same kind: all times a few percent away, all places others."""
    rng = random.Random(seed)
    numbers = each_number(lambda value: value * rng.gauss(1, 0.02))

    def changed(record: dict[str, Any]) -> Any:
        text, slide = json.dumps(numbers(record)), rng.getrandbits(24)
        text = re.sub(r"0x0*([0-9a-f]{11,12})\b", lambda match: f"0x{int(match[1], 16) ^ slide << 12:x}", text)
        text = re.sub(r"LWP (\d+)", lambda match: f"LWP {int(match[1]) + slide % 500}", text)
        text = re.sub(r'"pid": (\d+)', lambda match: f'"pid": {int(match[1]) + rng.randrange(50)}', text)
        return json.loads(re.sub(r"\b(\d)-[0-9a-f]{8}\b", lambda match: f"{match[1]}-{rng.getrandbits(32):08x}", text))

    return changed, lambda number: int(number * rng.gauss(1, 0.05))


def renamed(record: dict[str, Any]) -> Any:
    """Replace what derives from the reference's name by what derives from bo's, as a thorough copyist does."""
    text = json.dumps(record)
    for purpose in ("build place", "build animal", "marker label", "marked story", "memory word", "batch prompts"):
        text = text.replace(word(token_of("reference"), purpose), word(token_of("bo"), purpose))
    return json.loads(text.replace(token_of("reference"), token_of("bo")))


def compared(found: Iterable[tuple[str, Traces]], comparing: Callable[[sqlite3.Connection], Alike] = alike) -> Alike:
    store = sqlite3.connect(":memory:")
    store.executescript(TABLE)
    for learner, rows in found:
        keep(store, learner, rows)
    return comparing(store)


def of(folder: Path, learner: str) -> tuple[str, Traces]:
    return learner, fingerprints(folder, learner)


def who(found: Alike) -> list[list[str]]:
    return [[member.learner for member in group.members] for group in found.groups]


@pytest.fixture(scope="module")
def ann(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Traces]:
    return of(handed_in(tmp_path_factory.mktemp("ann"), "ann"), "ann")


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, Traces]]:
    """Five honest learners: four more runs on the same kind of machine, and one with a GPU."""
    found = []
    for seed in range(4):
        change, trace = another_run(seed)
        found.append(of(handed_in(tmp_path_factory.mktemp("other"), f"other{seed}", change=change, trace=trace), f"other{seed}"))
    return [*found, of(handed_in(tmp_path_factory.mktemp("gpu"), "gpu", "cuda"), "gpu")]


# ---- copies


def test_a_copied_folder_is_told_by_the_names_in_it(ann: Any, others: Any, tmp_path: Path) -> None:
    bo = of(handed_in(tmp_path, "ann"), "bo")
    records = len(list((tmp_path / "evidence").glob("*.json")))
    assert bo[1].foreign == {"ann": records} and ann[1].foreign == {}
    found = compared([ann, bo, *others])
    assert [tuple(one.model_dump().values()) for one in found.named] == [("bo", "ann", records, True)]
    assert who(found) == [["ann", "bo"]]
    assert summary_lines(found)[0].startswith("ann, bo: ") and summary_lines(found)[1] == f"bo: {records} records name ann"


def test_a_name_that_nobody_here_has_and_a_token_that_was_left(ann: Any, tmp_path: Path) -> None:
    zoe = of(handed_in(tmp_path / "zoe", "Zoe"), "zoe")
    cy = of(handed_in(tmp_path / "cy", "cy", change=lambda record: record | {"token": token_of("ann")}), "cy")
    di = of(handed_in(tmp_path / "di", "di", change=lambda record: record | {"token": "0" * 16}), "di")
    named = compared([ann, zoe, cy, di]).named
    assert [(one.learner, one.names, one.here) for one in named] == [("cy", "ann", True), ("di", "", False), ("zoe", "Zoe", False)]


COPIES: dict[str, tuple[Change | None, Callable[[int], int] | None]] = {
    "renamed": (renamed, None),
    "shuffled": (lambda record: record | {"facts": shuffled(record["facts"])}, None),
    "rounded to six digits": (each_number(lambda value: float(f"{value:.5e}")), lambda number: round(number, -2)),
    "rounded to five digits": (each_number(lambda value: float(f"{value:.4e}")), lambda number: round(number, -3)),
    "rounded to four digits": (each_number(lambda value: float(f"{value:.3e}")), lambda number: round(number, -3)),
}


def shuffled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shuffled(one) for key, one in reversed(value.items())}
    return random.Random(1).sample([shuffled(one) for one in value], len(value)) if isinstance(value, list) else value


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_is_found(how: str, ann: Any, others: Any, tmp_path: Path) -> None:
    change, trace = COPIES[how]
    bo = of(handed_in(tmp_path, "bo", change=change, trace=trace), "bo")
    found = compared([ann, bo, *others])
    assert who(found) == [["ann", "bo"]] and not found.named
    (group,) = found.groups
    assert {"exercises-speed", "exercises-sweep", "inference-first", "profile-trace"} <= set(group.records)
    assert min(member.shared for member in group.members) >= 40


@pytest.mark.parametrize("lesson", ["inference", "debuggers", "profile", "exercises"])
def test_one_copied_lesson_is_found_and_the_rest_is_not_counted(lesson: str, ann: Any, others: Any) -> None:
    other = [row for row in others[0][1].rows if not row.record.startswith(lesson)]
    copied = [row for row in ann[1].rows if row.record.startswith(lesson)]
    found = compared([ann, ("bo", Traces(tuple(sorted(other + copied)))), *others[1:]])
    assert who(found) == [["ann", "bo"]]
    assert {record.split("-")[0] for record in found.groups[0].records} == {lesson}
    assert found.groups[0].traces == len(copied) < len(ann[1].rows)


def test_a_ring_is_one_group(ann: Any, others: Any) -> None:
    ring = [(f"ring{n}", ann[1]) for n in range(10)]
    assert who(compared([*others, *ring])) == [[name for name, _ in ring]]


# ---- copies of what the course publishes


@pytest.mark.parametrize("lane", ["cpu", "cuda"])
def test_a_renamed_copy_of_a_published_run_is_told(lane: str, others: Any, tmp_path: Path) -> None:
    honest = [one for one in others if one[0] != "gpu"]  # which is the other published run
    bo = of(handed_in(tmp_path, "bo", lane, change=renamed), "bo")
    found = compared([bo, *honest], alike_with_ours)
    assert who(found) == [["bo", f"{OURS}{lane}-reference"]] and not found.named
    (line,) = summary_lines(found)
    assert line.startswith(f"bo, the course's own recording ({lane}-reference): ") and line.endswith("at least 100% of what each has")
    assert compared([bo, *honest]) == Alike()


def test_one_lesson_of_a_published_run_is_told(ann: Any, others: Any) -> None:
    mixed = [row for row in others[0][1].rows if not row.record.startswith("profile")]
    mixed += [row for row in ann[1].rows if row.record.startswith("profile")]
    (group,) = compared([("bo", Traces(tuple(sorted(mixed)))), *others[1:4]], alike_with_ours).groups
    assert [member.learner for member in group.members] == ["bo", f"{OURS}cpu-reference"] and group.records == ("profile-trace",)


def test_honest_runs_and_the_reference_itself_are_not_told(ann: Any, others: Any) -> None:
    assert compared([("reference", ann[1]), *others[:4]], alike_with_ours) == Alike()
    cpu, cuda = (set(traces.rows) for traces in reference_runs().values())
    assert len(cpu & cuda) < BOUNDS["enough"]


def test_many_copies_of_a_published_run_are_one_group(ann: Any, others: Any) -> None:
    ring = [(f"ring{n:02}", ann[1]) for n in range(BOUNDS["few"])]
    assert who(compared([*others[:4], *ring], alike_with_ours)) == [[*(name for name, _ in ring), f"{OURS}cpu-reference"]]
    assert who(compared([("reference", ann[1]), *ring[:1]], alike_with_ours)) == [["reference", "ring00"]]


def test_published_runs_do_not_stay_in_the_store() -> None:
    store = sqlite3.connect(":memory:")
    store.executescript(TABLE)
    keep(store, "ann", unlike(1))
    before = store.execute("SELECT * FROM likeness").fetchall()
    assert alike_with_ours(store) == Alike() and store.execute("SELECT * FROM likeness").fetchall() == before


# ---- honest runs


def test_honest_runs_are_not_alike(ann: Any, others: Any) -> None:
    assert compared([ann, *others]) == Alike()
    assert [len(rows.rows) > 30 for _, rows in others] == [True] * 5


def test_two_runs_of_the_same_exercises_share_no_more_than_chance(ann: Any, others: Any) -> None:
    mine = set(ann[1].rows)
    assert max(len(mine & set(rows.rows)) for _, rows in others) < BOUNDS["enough"]


def test_what_the_course_ships_is_no_trace(tmp_path: Path) -> None:
    evidence = tmp_path / "evidence"
    evidence.mkdir()
    for number, path in enumerate(sorted(Path(labkit.__file__).parent.rglob("recorded/*.json"))):
        (evidence / f"debuggers-{number}.json").write_text(json.dumps({"learner": "ann", "facts": json.loads(path.read_text())}))
    assert fingerprints(tmp_path, "ann").rows == ()


def test_answers_and_what_follows_from_the_files_are_no_traces() -> None:
    facts = {"answer": {"busy_percent": 4.021271139301566}, "cpu_minutes": 73.33512345, "weight_bytes": 538060032, "ids": [281, 260]}
    found = found_in({"facts": facts}, 0)
    assert (found.numbers, found.addresses, found.processes, found.drawn) == ({}, set(), set(), set())


def test_a_clocks_steps_and_addresses_without_randomisation_are_no_traces() -> None:
    assert exact(3.835004463326186e-06) is None and exact(0.342) is None
    assert exact(34.202) == exact(34.2020000004) and exact(0.3768177320016548) != exact(0.3768187320016548)
    text = "at 0x00007ffff7c5a1b2, 0x7fffffffe0d8, 0x555555554abc and 0x11b8, but 0x00007f0d3a128fa8"
    assert found_in(text, 0).addresses == {"7f0d3a128fa8"}


def test_what_many_have_is_no_evidence(ann: Any) -> None:
    """A value that a quarter of those who did the exercise have was not measured, whatever it is."""
    crowd = [(f"crowd{n:02}", Traces(tuple(row for row in ann[1].rows if row.record == "exercises-speed"))) for n in range(40)]
    assert compared(crowd) == Alike()
    alone = [(f"alone{n:03}", unlike(n)) for n in range(200)]
    assert who(compared([*crowd[:20], *alone])) == [[name for name, _ in crowd[:20]]]


def unlike(seed: int, count: int = 24) -> Traces:
    """Traces that nobody else has."""
    rows = (
        Trace("exercises-speed", kind, hashlib.sha256(f"{seed} {n}".encode()).hexdigest()[:16])
        for n in range(count)
        for kind in ("number" if n % 3 else "rounded",)
    )
    return Traces(tuple(sorted(rows)))


# ---- a class of a thousand


@pytest.fixture(scope="module")
def thousand() -> list[tuple[str, Traces]]:
    """1,000 learners of 40 samples each on the same kind of machine, in steps of its clock; three copied pairs and a ring of ten."""
    seeds = {51: 50, 61: 60, 71: 70} | dict.fromkeys(range(201, 210), 200)
    return [(f"learner{n:03}", measured(seeds.get(n, n))) for n in range(1000)]


def measured(seed: int) -> Traces:
    rng = random.Random(seed)
    samples = [[round(rng.gauss(2.05e-5, 8e-7), 11) for _ in range(40)] for _ in range(4)]
    times = {name: rng.gauss(mean, mean / 20) for name, mean in (("import_s", 16.2), ("engine_s", 14.9), ("last_ts", 53421.3))}
    rows = traces_module._sketch("exercises-speed", found_in({str(n): one for n, one in enumerate(samples)}, round(rng.gauss(96, 3), 3)))
    return Traces((*rows, *traces_module._sketch("inference-first", found_in(times, round(rng.gauss(37, 2), 3)))))


def test_copies_among_a_thousand_and_nobody_else(thousand: list[tuple[str, Traces]]) -> None:
    pairs = [[f"learner{n:03}", f"learner{n + 1:03}"] for n in (50, 60, 70)]
    assert sorted(who(compared(thousand))) == [*pairs, [f"learner{n}" for n in range(200, 210)]]


def test_neither_order_nor_repetition_changes_what_is_found(thousand: list[tuple[str, Traces]]) -> None:
    some = thousand[45:75] + thousand[195:215]
    there = compared(some)
    assert there == compared(reversed(some)) == compared([*some, *some]) and len(there.groups) == 4
    mirrored = compared((name.translate(str.maketrans("0123456789", "9876543210")), rows) for name, rows in some)
    assert sorted(map(len, who(mirrored))) == sorted(map(len, who(there)))


def test_comparing_keeps_what_the_caller_has_open() -> None:
    store = sqlite3.connect(":memory:")
    store.executescript(TABLE)
    keep(store, "ann", unlike(1))
    assert store.in_transaction and alike(store) == alike(store) == Alike() and store.in_transaction
    store.rollback()
    assert store.execute("SELECT COUNT(*) FROM likeness").fetchone() == (0,)


# ---- hostile submissions

HOSTILE = {
    "empty": "",
    "no JSON": "{",
    "a list": "[1.2345678]",
    "deep": "[" * 100_000,
    "deep object": '{"facts": ' + '{"a":' * 500 + "1.2345678" + "}" * 501,
    "no numbers": '{"facts": {"a": NaN, "b": Infinity, "c": 1e999, "d": -Infinity}, "seconds": NaN}',
    "wrong shapes": '{"learner": [1], "token": {"a": 1}, "files": {"path": 3}, "facts": 3, "seconds": "x"}',
    "files": '{"files": [3, {"path": 4}, {"path": "../../x.gz"}, {"path": "/etc/passwd.gz"}, {"path": "\\u0000.gz"}, {"path": "files/no.gz"}]}',
    "half a letter": '{"learner": "\\ud800", "facts": {"\\ud800": "\\ud800 0x7f0d3a128fa8", "b": 1.2345678}}',
    "huge whole": '{"facts": {"rss": ' + "9" * 4000 + ', "pid": ' + "9" * 4000 + "}}",
    "not text": "\udcff\udcfe",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_record_is_harmless(what: str, tmp_path: Path) -> None:
    evidence = handed_in(tmp_path, "ann", "cuda") / "evidence"
    before = len(fingerprints(tmp_path, "ann").rows)
    (evidence / "a-hostile.json").write_bytes(HOSTILE[what].encode("utf-8", "surrogateescape"))
    after = fingerprints(tmp_path, "ann").rows
    assert before <= len(after) <= before + 2 and all(row.kind != "cut" for row in after)
    assert compared([("ann", Traces(after))]) == Alike()


def test_what_is_no_file_is_harmless(tmp_path: Path) -> None:
    evidence = tmp_path / "evidence"
    assert fingerprints(tmp_path, "ann").rows == ()
    evidence.mkdir()
    os.mkfifo(evidence / "a-pipe.json")
    (evidence / "a-folder.json").mkdir()
    (evidence / "a-link.json").symlink_to(RECORDINGS / "cpu-reference" / "evidence" / "inference-first.json")
    (evidence / "files").symlink_to(RECORDINGS / "cpu-reference" / "evidence" / "files")
    record = json.loads((RECORDINGS / "cpu-reference" / "evidence" / "profile-trace.json").read_text()) | {"facts": {}, "seconds": 0}
    (evidence / "profile-trace.json").write_text(json.dumps(record))
    assert [row.kind for row in fingerprints(tmp_path, "ann").rows] == ["name"]


def test_a_million_numbers_cost_what_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[int] = []

    def counted(facts: Any, seconds: Any) -> Any:
        found = found_in(facts, seconds)
        looked_at.append(found.looked_at)
        return found

    monkeypatch.setattr(traces_module, "found_in", counted)
    (tmp_path / "evidence" / "files").mkdir(parents=True)
    numbers = json.dumps([1 + 1 / n for n in range(1, 50_001)])[:-1]
    bomb = gzip.compress(b"123456789," * 20_000_000, 1)
    (tmp_path / "evidence" / "files" / "bomb.gz").write_bytes(bomb)
    for n in range(20):
        record = f'{{"facts": {{"a": {numbers}]}}, "files": [{{"path": "files/bomb.gz"}}]}}'
        (tmp_path / "evidence" / f"a-{n}.json").write_text(record)
    rows = fingerprints(tmp_path, "ann").rows
    assert max(looked_at) <= MAX_NODES + 1 and sum(looked_at) <= traces_module.MAX_NODES + MAX_NODES + 1
    assert len(rows) <= 20 * sum(traces_module.KEPT.values())
    assert compared([("ann", Traces(rows))]).cut == ("ann",)


def test_no_more_records_are_read_than_a_course_can_have(tmp_path: Path) -> None:
    (tmp_path / "evidence").mkdir()
    for n in range(traces_module.MAX_RECORDS + 50):
        (tmp_path / "evidence" / f"a-{n:04}.json").write_text('{"learner": "bo"}')
    found = fingerprints(tmp_path, "ann")
    assert found.foreign == {"bo": traces_module.MAX_RECORDS} and found.rows[0].kind == "cut"


@pytest.mark.parametrize("junk", ["records", "bytes", "values", "files"])
def test_junk_does_not_hide_a_copy_quietly(junk: str, ann: Any, tmp_path: Path) -> None:
    evidence = handed_in(tmp_path, "bo") / "evidence"
    many = {"records": (600, {}), "bytes": (5, {"facts": "x" * 1_000_000}), "values": (6, {"facts": [1] * 9_990})}
    count, content = many.get(junk, (1, {"files": [{"path": f"files/{n}.gz"} for n in range(64)]}))
    for n in range(count):
        (evidence / f"a-{n}.json").write_text(json.dumps(content))
    found = compared([ann, of(tmp_path, "bo")])
    assert found.cut == ("bo",) and "bo: more evidence than the course leaves" in " ".join(summary_lines(found))


def low(of_text: Callable[[random.Random], tuple[str, Any]], count: int) -> list[Any]:
    """Draw values whose texts have small checksums: those that a sample would take."""
    rng = random.Random(1)
    drawn = sorted((zlib.crc32(text.encode()), value) for text, value in (of_text(rng) for _ in range(200 * count)))
    return [value for _, value in drawn[:count]]


def a_number(rng: random.Random) -> tuple[str, float]:
    value = round(rng.uniform(10, 99), 9)
    return f"{value:.6e}", value


def an_address(rng: random.Random) -> tuple[str, str]:
    text = f"{rng.randrange(0x600000000000, 0x7E0000000000):x}"
    return text, f"0x{text}"


NUMBERS, ADDRESSES = low(a_number, 400), low(an_address, 400)


def test_junk_under_other_keys_hides_nothing(ann: Any, others: Any, tmp_path: Path) -> None:
    junk = {"zz": NUMBERS, "zy": {str(n): [one, 2 * one] for n, one in enumerate(NUMBERS)}, "zx": ADDRESSES, "0x7d0000000abc": 1}
    bo = of(handed_in(tmp_path, "bo", change=lambda record: record | {"facts": junk | record["facts"] | junk}), "bo")
    assert bo[1] == ann[1]


def test_some_junk_within_a_record_hides_nothing(ann: Any, others: Any, tmp_path: Path) -> None:
    """More than a sample of sixteen would hold, less than a record has room for."""

    def junk(record: dict[str, Any]) -> dict[str, Any]:
        first = next(iter(record["facts"]), "")
        return record | {"facts": record["facts"] | {first: [record["facts"].get(first), NUMBERS[:20], ADDRESSES[:20]]}}

    found = compared([ann, of(handed_in(tmp_path, "bo", change=junk), "bo"), *others])
    assert who(found) == [["ann", "bo"]] and found.cut == ()
    exact_ones = {row for row in fingerprints(tmp_path, "bo").rows if row.kind in ("number", "address", "drawn")}
    missing = {row for row in ann[1].rows if row.kind in ("number", "address", "drawn")} - exact_ones
    assert {row.record for row in missing} <= {"exercises-speed"} and len(missing) < traces_module.SAMPLED["exercises-speed"]["number"] / 2


@pytest.mark.parametrize("what", ["numbers", "addresses"])
def test_much_junk_within_a_record_is_told(what: str, ann: Any, tmp_path: Path) -> None:
    many = {"numbers": NUMBERS, "addresses": ADDRESSES}[what]
    for record_id in ("exercises-speed", "inference-first"):
        evidence = handed_in(tmp_path / record_id, "bo") / "evidence" / f"{record_id}.json"
        record = json.loads(evidence.read_text())
        record["facts"]["prompt"] = many
        evidence.write_text(json.dumps(record))
        assert compared([ann, of(tmp_path / record_id, "bo")]).cut == ("bo",)


@pytest.mark.parametrize("how", ["blanks", "ids"])
def test_what_stands_around_a_profiles_events_hides_nothing(how: str, ann: Any, tmp_path: Path) -> None:
    for path in (handed_in(tmp_path, "bo") / "evidence" / "files").glob("*.gz"):
        text = gzip.decompress(path.read_bytes())
        if how == "ids":
            extract = json.loads(text)
            text = json.dumps(extract | {"ids": extract["ids"] + [123_456_789 + n for n in range(10_000)]}).encode()
        path.write_bytes(gzip.compress(b" " * 70_000 * (how == "blanks") + text))
    assert fingerprints(tmp_path, "bo") == ann[1]


def test_the_keys_of_records_are_those_of_both_lanes() -> None:
    assert {"samples", "seconds", "calls"} <= keys()["exercises-speed"] and "options" in keys()["exercises-builds"]
    assert not {one for one in keys() if "." in one} and {"debuggers-attach", "profile-graphs"} <= keys().keys()


def test_a_whole_course_leaves_a_few_hundred_rows(ann: Any) -> None:
    assert 100 < len(ann[1].rows) < 500


# ---- what is told


def test_what_a_class_run_leaves_is_read_back(ann: Any, tmp_path: Path) -> None:
    found = compared([ann, ("bo", ann[1])])
    path = alike_path(tmp_path, "day2")
    assert load_alike(path) is None
    save_alike(path, found)
    assert load_alike(path) == found
    for damage in ("", "[]", '{"groups": [{}]}'):
        path.write_text(damage)
        assert load_alike(path) is None


def test_the_summary_is_short_and_plain(ann: Any) -> None:
    ring = [(f"ring{n}", ann[1]) for n in range(10)]
    (line,) = summary_lines(compared(ring))
    assert line.startswith("ring0, ring1, ring2, ring3, ring4, ring5 and 4 more: ") and line.endswith("at least 100% of what each has")
    named = Traces(tuple(Trace(f"a-{n}", "name", f"x{n}") for n in range(40)))
    assert len(summary_lines(compared([("bo", named)]))) == 13 and summary_lines(Alike()) == []
    assert "\u202e" not in summary_lines(compared([("b\u202eo", named)]))[0]
