"""The extract that evidence keeps: it comes back equal, holds nothing else, and refuses what is not one."""

import contextlib
import gzip
import json
import math
import sqlite3
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.trace import extract, nsys, torch_profiler
from labkit.trace.analysis import launched_by, launches, overlapping, self_times, steps, within
from labkit.trace.bounds import MAX_EVENTS, MAX_TIME, WORD
from labkit.trace.errors import BadTrace
from labkit.trace.model import Call, Device, Op, Range, Trace, Work
from tests.labkit.trace_files.exports import COLUMNS, KERNEL, RANGES, ROWS, THREAD, export, recording

HERE = Path(__file__).parent / "trace_files"
EMPTY = Trace("nsys", None, (), (), ())

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.sampled_from(["[{}]", '"', "\\", '\\"', "\\u005b", "a,b"])
words = st.integers(-WORD, WORD - 1)
spans = st.tuples(st.integers(-MAX_TIME, MAX_TIME - 2**40), st.integers(0, 2**40)).map(lambda pair: (pair[0], pair[0] + pair[1]))
kinds = st.sampled_from(["kernel", "memcpy", "memset", "graph"])
sizes = st.integers(0, WORD - 1)
work = st.builds(lambda k, n, s, *rest: Work(k, n, *s, *rest), kinds, names, spans, words, words, words, sizes, words)
calls = st.builds(lambda n, s, *rest: Call(n, *s, *rest), names, spans, words, words, words)
ranges = st.builds(lambda n, s, *rest: Range(n, *s, *rest), names, spans, words, words)
ops = st.builds(lambda n, s, *rest: Op(n, *s, *rest), names, spans, words, words)
devices = st.none() | st.builds(Device, names, sizes, sizes, sizes)


def several(events: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(events, max_size=8).map(lambda found: tuple(sorted(found, key=lambda event: event.start)))


traces = st.builds(Trace, names, devices, several(work), several(calls), several(ranges), several(ops))


@settings(deadline=None)
@given(traces)
def test_what_is_written_comes_back_equal_and_equal_traces_give_equal_bytes(trace: Trace) -> None:
    data = extract.packed(trace)
    assert extract.parse(data) == trace
    assert data == extract.packed(extract.parse(data))
    text = gzip.decompress(data)
    assert text.count(b"{") == text.count(b"}") == 5  # no text in it looks like structure
    assert data[4:8] == b"\0\0\0\0"  # the time of packing


@pytest.fixture
def real(tmp_path: Path) -> Trace:
    return nsys.read(recording(tmp_path))


def test_the_real_recording_comes_back_equal(real: Trace, tmp_path: Path) -> None:
    path = tmp_path / "trace.json.gz"
    extract.write(real, path)
    assert extract.parse(path.read_bytes()) == real
    assert path.stat().st_size < 60_000


def test_a_cut_answers_as_the_whole_did(real: Trace) -> None:
    chosen = [span for span in real.ranges if span.name == "llm_engine step: get_output"][2:5]
    part = extract.cut(real, chosen)
    for span in chosen:
        assert launched_by(part, span) == launched_by(real, span) != []
        assert launches(part, span) == launches(real, span) != []
        assert overlapping(part, span) == overlapping(real, span)
        assert within(part.ranges, span) == within(real.ranges, span)
    assert len(part.work) < len(real.work) / 2
    assert not any(call.name.startswith("cudaGetDevice") for call in part.calls)
    assert any("Synchronize" in call.name for call in part.calls) == any("Synchronize" in call.name for call in real.calls)
    assert extract.cut(part, chosen) == part
    assert len(extract.packed(part)) < 15_000


def test_a_cut_of_operators() -> None:
    trace = torch_profiler.read(HERE / "torch_cpu.json.gz")
    (second,) = steps(trace, "river")[1:]
    part = extract.cut(trace, [second])
    assert self_times(within(part.ops, second)) == self_times(within(trace.ops, second)) != []
    assert 0 < len(part.ops) < len(trace.ops)


def test_a_cut_needs_a_range(real: Trace) -> None:
    with pytest.raises(BadTrace, match=r"no range to keep. Expected at least one step\."):
        extract.cut(real, [])


# What does not get into an extract

SECRET = "hf_PLANTEDsecretTOKEN"


def planted(path: Path) -> Path:
    """Make an export whose environment, command line and strings hold the secret, live and in pages that were freed."""
    filler = "x" * 2000
    tables = {
        "TARGET_INFO_SYSTEM_ENV": [(1, "HF_TOKEN", SECRET + filler), (2, "HOME", f"/home/{SECRET}")]
        + [(n, f"V{n}", SECRET + filler) for n in range(3, 60)],
        "META_DATA_CAPTURE": [("PROCESS_0:ARGUMENT_0", f"--token={SECRET}")],
        "META_DATA_EXPORT": [
            ("EXPORT_HOST", SECRET),
            ("EXPORT_PRODUCT_VERSION", "2026.1.1.0"),
            ("EXPORT_PARAM_INPUT_PATH_ABS", f"/{SECRET}"),
        ],
        "PROCESSES": [(1, 2, SECRET)],
        "StringIds": [*ROWS["StringIds"], (7, f"unreferenced {SECRET}"), (8, f"stdout {SECRET}{filler}")],
        "ProcessStreams": [(1, 7, 8)],
    }
    columns = {
        "TARGET_INFO_SYSTEM_ENV": "id INTEGER, name TEXT, value TEXT",
        "META_DATA_CAPTURE": "name TEXT, value TEXT",
        "META_DATA_EXPORT": "name TEXT, value TEXT",
        "PROCESSES": "globalPid INTEGER, pid INTEGER, name TEXT",
        "ProcessStreams": "globalPid INTEGER, filenameId INTEGER, contentId INTEGER",
    }
    export(path, tables, columns)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("DELETE FROM TARGET_INFO_SYSTEM_ENV WHERE id > 2")
    return path


def test_nothing_of_the_environment_survives(tmp_path: Path) -> None:
    path = planted(tmp_path / "a.sqlite")
    raw = path.read_bytes()
    with sqlite3.connect(path) as connection:
        live = connection.execute("SELECT count(*) FROM TARGET_INFO_SYSTEM_ENV").fetchone()[0]
    assert live == 2
    assert raw.count(SECRET.encode()) > 40  # freed pages still hold what was deleted
    trace = nsys.read(path)
    text = gzip.decompress(extract.packed(trace)).decode()
    assert SECRET not in text
    assert trace.tool == "nsys 2026.1.1.0"
    assert set(json.loads(text)["strings"]) == {"void kernel<int>(int)", "kernel", "cudaLaunchKernel_v7000", "step 0", "registered"}


def test_a_cut_leaves_the_names_behind_that_it_does_not_need(tmp_path: Path) -> None:
    rows = {RANGES: [*ROWS[RANGES], (5000, 5001, 59, f"later {SECRET}", None, THREAD, 0)]}
    trace = nsys.read(export(tmp_path / "a.sqlite", rows))
    assert SECRET in gzip.decompress(extract.packed(trace)).decode()  # a range's text is kept as it is
    assert SECRET not in gzip.decompress(extract.packed(extract.cut(trace, trace.ranges[:1]))).decode()


def test_nothing_of_the_host_survives_a_torch_trace() -> None:
    raw = (HERE / "torch_gpu.json").read_text()
    text = gzip.decompress(extract.packed(torch_profiler.read(HERE / "torch_gpu.json"))).decode()
    for secret in ("secret-host", "secret-backend", "/home/ada"):
        assert secret in raw
        assert secret not in text


# What is no extract


def document(**changes: Any) -> dict[str, Any]:
    """Return a small extract's document with these parts changed; "ops.name" reaches into a part, ... takes it away."""
    trace = Trace(
        "nsys",
        Device("GPU"),
        (Work("kernel", "k", 5, 7, 1, 2, 3),),
        (Call("c", 1, 2, 9, 2, 3),),
        (Range("r", 0, 9, 9, 2),),
        (Op("o", 1, 2, 9, 2),),
    )
    found: dict[str, Any] = json.loads(gzip.decompress(extract.packed(trace)))
    for name, value in changes.items():
        *path, last = name.split("__")
        part = found
        for step in path:
            part = part[step]
        part[last] = value
        if value is ...:
            del part[last]
    return found


def packed(value: Any) -> bytes:
    return gzip.compress(json.dumps(value).encode())


def test_the_unchanged_document_is_an_extract() -> None:
    assert extract.parse(packed(document())).tool == "nsys"


def test_a_name_may_say_true() -> None:
    """Then each number's type is looked at, which may give no other trace."""
    strings = document()["strings"]
    named = [f"{name}<true, false>" for name in strings]
    plain, told = extract.parse(packed(document())), extract.parse(packed(document(strings=named)))
    assert [op._replace(name=f"{op.name}<true, false>") for op in plain.ops] == list(told.ops)
    assert [call[1:] for call in plain.calls] == [call[1:] for call in told.calls]


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": 2},
        {"schema": "1"},
        {"tool": ...},
        {"tool": 3},
        {"tool": "\ud800"},
        {"more": 1},
        {"device": []},
        {"device": ["GPU", 1, 2]},
        {"device": ["GPU", 1, 2, -3]},
        {"device": ["GPU", 1, 2, 3.0]},
        {"device": [1, 1, 2, 3]},
        {"device": {"name": "GPU"}},
        {"strings": {}},
        {"strings": ["k", "k", "c", "o"]},
        {"strings": ["k", 1, "r", "o"]},
        {"strings": ["k" * 20_000, "c", "r", "o"]},
        {"strings": ["k", "c", "r", "\udfff"]},
        {"strings": ["k"]},
        {"ids": [2]},
        {"ids": [2, 2]},
        {"ids": [2, True]},
        {"ids": [2, 2**63]},
        {"work": []},
        {"work__kind": [4]},
        {"work__kind": [-1]},
        {"work__name": [-1]},
        {"work__name": [99]},
        {"work__name": ["k"]},
        {"work__start": [5, 6]},
        {"work__start": ...},
        {"work__other": [1]},
        {"work__length": [-1]},
        {"work__length": [2**63]},
        {"work__start": [2**62 + 1]},
        {"work__start": [1.5]},
        {"work__start": [None]},
        {"work__start": [math.nan]},
        {"work__start": [math.inf]},
        {"work__start": 5},
        {"work__size": [-1]},
        {"work__size": [True]},
        {"calls__start": [False]},
        {"ranges__length": [True]},
        {"ops__process": [False]},
        {"ops__name": [True], "tool": "untrue"},
        {"ops": {"name": [2] * 3, "start": [0, 2**62, 1], "length": [1] * 3, "thread": [1] * 3, "process": [0] * 3}},  # beyond all time
        {"work__size": [2**63]},
        {"work__stream": [2**63]},
        {"work__correlation": [2**70]},
        {"work__process": [2]},
        {"calls__thread": [[]]},
        {"ops": {"name": [2, 2], "start": [5, -1], "length": [1, 1], "thread": [1, 1], "process": [0, 0]}},  # not in order
    ],
)
def test_every_value_is_checked(changes: dict[str, Any]) -> None:
    with pytest.raises(BadTrace, match=r"(?s).+\. Expected .+\. .+\."):
        extract.parse(packed(document(**changes)))


def zipped(data: bytes) -> bytes:
    """Pack without the time: what a test is called by must be the same in each of pytest-xdist's processes."""
    return gzip.compress(data, mtime=0)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "cut short"),
        (b"hello", "not packed with gzip"),
        (zipped(b"{}"), "other parts"),
        (zipped(b"[]"), "other parts"),
        (zipped(b"nonsense"), "cannot be read"),
        (zipped(b"\xff\xfe"), "cannot be read"),
        (zipped(b"1" * 5000), "cannot be read"),
        (zipped(b'{"schema": 1}')[:-1], "cut short"),
        (zipped(b"{}") + b"more", "followed by something else"),
        (zipped(b"{}") + zipped(b"{}"), "followed by something else"),
        (b"\0" * 4_000_001, "4,000,001 bytes"),
        (zipped(b" " * 64_000_001), "unpacks to more than"),
        (zipped(b"[" * 30_000_000), r"more than 64 '\['"),
        (zipped(b"{" * 30_000_000), r"more than 16 '\{'"),
        (zipped(b'[""' + b',""' * 20_000_000), "more than 200,256"),
        (zipped(b"[1" + b",1" * 30_000_000), "more than 5,000,000 ','"),
    ],
)
def test_what_is_no_extract_is_refused_in_little_time_and_memory(data: bytes, said: str) -> None:
    began = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(BadTrace, match=said):
            extract.parse(data)
        assert tracemalloc.get_traced_memory()[1] < 200_000_000  # the text itself may have 64 million bytes
    finally:
        tracemalloc.stop()
    assert time.process_time() - began < 5


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damage_is_a_bad_trace_or_another_trace(data: st.DataObject) -> None:
    raw = bytearray(gzip.decompress(packed(document())))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.sampled_from(b'0129-.eE[]{},:" \\untf\xff'))
    with contextlib.suppress(BadTrace):
        extract.packed(extract.parse(gzip.compress(bytes(raw))))


@pytest.mark.parametrize(
    "trace",
    [
        Trace("nsys", None, (), (), (Range("late", 5, 6, 1, 1), Range("early", 0, 1, 1, 1))),
        Trace("nsys", None, (), (), (Range("backwards", 5, 4, 1, 1),)),
        Trace("nsys", None, (), (), (Range("\ud800", 0, 1, 1, 1),)),
        Trace("nsys", None, (), (), (Range("x" * 20_000, 0, 1, 1, 1),)),
        Trace("nsys", None, (), (), (Range("half", 0, 0.5, 1, 1),)),  # type: ignore[arg-type]
    ],
)
def test_what_could_not_be_read_is_not_written(trace: Trace, tmp_path: Path) -> None:
    with pytest.raises(BadTrace):
        extract.write(trace, tmp_path / "trace.json.gz")
    assert not (tmp_path / "trace.json.gz").exists()


def test_more_events_than_an_extract_may_have(tmp_path: Path) -> None:
    op = Op("o", 0, 1, 1, 1)
    with pytest.raises(BadTrace, match="more than 400,000 events"):
        extract.write(Trace("t", None, (), (), (), (op,) * (MAX_EVENTS + 1)), tmp_path / "a.gz")


def test_forty_thousand_operators_parse_in_a_moment() -> None:
    trace = Trace("t", None, (), (), (), tuple(Op(f"aten::op{n % 300}", n * 1001, n * 1001 + n % 977, 5, 5) for n in range(40_000)))
    data = extract.packed(trace)
    took = []
    for _ in range(3):
        began = time.process_time()
        assert extract.parse(data) == trace
        took.append(time.process_time() - began)
    assert min(took) < 0.15 * 3  # a busy machine


def test_a_name_that_is_too_long_is_cut_when_it_is_read(tmp_path: Path) -> None:
    rows = {"StringIds": [(1, "k" * 30_000), *ROWS["StringIds"][1:]], RANGES: [(1000, 1001, 59, "é" * 30_000, None, THREAD, 0)]}
    trace = nsys.read(export(tmp_path / "a.sqlite", rows, {KERNEL: COLUMNS[KERNEL]}))
    assert [len(trace.work[0].name), len(trace.ranges[0].name)] == [16_384, 16_384]
    assert extract.parse(extract.packed(trace)) == trace
    assert extract.parse(extract.packed(EMPTY)) == EMPTY
