"""Reading nsys exports: the real one, and small ones that show one thing each."""

import gzip
import sqlite3
import time
from collections import Counter
from pathlib import Path

import pytest

from labkit.trace import nsys
from labkit.trace.analysis import launched_by, steps
from labkit.trace.errors import BadTrace
from labkit.trace.model import Call, Device, Range, Work
from labkit.trace.sums import Sum
from tests.labkit.trace_files.exports import CALLS, COLUMNS, COPY, GRAPH, KERNEL, PROCESS, RANGES, ROWS, SET, THREAD, export, recording

FULL = Path(__file__).parents[2].parent / "shared/recorded-h100/nsys_vllm-0.26.0_eager.sqlite.gz"


@pytest.fixture
def real(tmp_path: Path) -> Path:
    return recording(tmp_path)


def test_a_small_export_is_read_to_the_last_field(tmp_path: Path) -> None:
    trace = nsys.read(export(tmp_path / "a.sqlite"))
    assert trace.tool == "nsys"
    assert trace.device is None
    assert trace.work == (
        Work("kernel", "void kernel<int>(int)", 500, 900, 7, PROCESS, 11),
        Work("kernel", "kernel", 1000, 1100, 7, PROCESS, 12),  # no demangled name
    )
    assert trace.calls == (
        Call("cudaLaunchKernel_v7000", 200, 300, THREAD, PROCESS, 11),
        Call("cudaLaunchKernel_v7000", 310, 330, THREAD, PROCESS, 12),
    )
    assert trace.ranges == (Range("step 0", 0, 400, THREAD, PROCESS), Range("registered", 100, 350, THREAD, PROCESS))  # "open" has no end
    assert [work.correlation for work in launched_by(trace, steps(trace, "step")[0])] == [11, 12]


def test_copies_sets_and_graphs(tmp_path: Path) -> None:
    rows = {
        COPY: [
            (1500, 1501, 7, 1, PROCESS, 64, 1),
            (1502, 1503, 7, 2, PROCESS, 4, 10),
            (1504, 1505, 7, 3, PROCESS, 4, 12),
            (1506, 1507, 7, 4, PROCESS, 4, 99),
        ],
        SET: [(1508, 1509, 7, 5, PROCESS, 8)],
        GRAPH: [(1510, 1520, 7, 6, PROCESS, 3)],
        "ENUM_CUDA_MEMCPY_OPER": [(1, "CUDA_MEMCPY_KIND_HTOD"), (12, "CUDA_MEMCPY_KIND_UVM_DTOH")],
    }
    trace = nsys.read(export(tmp_path / "a.sqlite", rows, {"ENUM_CUDA_MEMCPY_OPER": "id INTEGER, name TEXT"}))
    found = [(work.kind, work.name, work.size) for work in trace.work if work.kind != "kernel"]
    assert found == [
        ("memcpy", "HtoD", 64),
        ("memcpy", "PtoP", 4),
        ("memcpy", "UVM DTOH", 4),
        ("memcpy", "kind 99", 4),
        ("memset", "memset", 8),
        ("graph", "CUDA graph 3", 0),
    ]


def test_a_graphs_node_is_told_from_a_launch(tmp_path: Path) -> None:
    columns = {KERNEL: COLUMNS[KERNEL] + ", graphNodeId INTEGER"}
    rows = {KERNEL: [(1500, 1900, 0, 7, 11, PROCESS, 1, 2, 8589934592), (1900, 1901, 0, 7, 12, PROCESS, 1, 2, None)]}
    trace = nsys.read(export(tmp_path / "a.sqlite", rows, columns))
    assert [work.node for work in trace.work] == [8589934592, 0]


@pytest.mark.parametrize("missing", [*ROWS])
def test_tables_are_made_lazily_so_any_may_be_missing(tmp_path: Path, missing: str) -> None:
    path = export(tmp_path / "a.sqlite")
    with sqlite3.connect(path) as connection:
        connection.execute(f"DROP TABLE {missing}")
    trace = nsys.read(path)
    assert {KERNEL: trace.work, CALLS: trace.calls, RANGES: trace.ranges}.get(missing, ()) == ()
    assert nsys.totals(path)


def test_an_export_without_any_event_is_an_empty_trace(tmp_path: Path) -> None:
    path = export(tmp_path / "a.sqlite", {name: [] for name in ROWS})
    trace = nsys.read(path)
    assert (trace.work, trace.calls, trace.ranges) == ((), (), ())
    assert nsys.totals(path).kernels == ()


@pytest.mark.parametrize("kept", ["start, end", "start, end, globalPid", "start, end, shortName", "start, end, demangledName, streamId"])
def test_columns_are_made_lazily_too(tmp_path: Path, kept: str) -> None:
    path = export(tmp_path / "a.sqlite")
    with sqlite3.connect(path) as connection:
        connection.executescript(
            f"CREATE TABLE less AS SELECT {kept} FROM {KERNEL}; DROP TABLE {KERNEL}; ALTER TABLE less RENAME TO {KERNEL};"
        )
    first = nsys.read(path).work[0]
    assert (first.start, first.end) == (500, 900)
    assert first.name == {"shortName": "kernel", "demangledName": "void kernel<int>(int)"}.get(
        kept.split(", ")[2] if kept.count(",") > 1 else "", "(unnamed)"
    )


def test_a_window_keeps_what_has_a_share_in_it_and_the_traces_zero(tmp_path: Path) -> None:
    path = export(tmp_path / "a.sqlite")
    trace = nsys.read(path, window=(305, 600))
    assert [work.start for work in trace.work] == [500]
    assert [call.start for call in trace.calls] == [310]
    assert [span.start for span in trace.ranges] == [0, 100]
    assert nsys.read(path, window=(-(10**30), 10**30)) == nsys.read(path)
    assert nsys.read(path, window=(10**6, 10**7)).work == ()


def test_too_many_events_name_the_way_out(tmp_path: Path) -> None:
    path = export(tmp_path / "a.sqlite")
    with pytest.raises(BadTrace, match=r"has more than 3 events. Expected at most that many. Record less .* or give a window\."):
        nsys.read(path, limit=3)
    assert nsys.read(path, limit=4, window=(310, 600)).work


def test_two_processes_with_the_same_correlation_stay_apart(tmp_path: Path) -> None:
    other = PROCESS + 0x1000000
    rows = {
        KERNEL: [(1500, 1900, 0, 7, 11, PROCESS, 1, 2), (1500, 1900, 0, 7, 11, other, 1, 2)],
        CALLS: [(1200, 1300, THREAD, 11, 3), (1200, 1300, other + 1, 11, 3)],
    }
    trace = nsys.read(export(tmp_path / "a.sqlite", rows))
    assert {call.process for call in trace.calls} == {PROCESS, other} == {work.process for work in trace.work}
    assert [work.process for work in launched_by(trace, trace.ranges[0])] == [PROCESS]


def test_the_gpu_is_the_one_that_ran_the_first_kernel(tmp_path: Path) -> None:
    columns = {
        "TARGET_INFO_GPU": "id INTEGER, name TEXT, memoryBandwidth INTEGER, totalMemory INTEGER, smCount INTEGER",
        "TARGET_INFO_CUDA_DEVICE": "gpuId INTEGER, cudaId INTEGER, pid INTEGER",
    }
    gpus = [(0, "small", 1, 2, 3), (1, "big", 10, 20, 30)]
    rows = {"TARGET_INFO_GPU": gpus, "TARGET_INFO_CUDA_DEVICE": [(1, 0, 5)]}
    assert nsys.read(export(tmp_path / "a.sqlite", rows, columns)).device == Device("big", 10, 20, 30)
    assert nsys.read(export(tmp_path / "b.sqlite", {"TARGET_INFO_GPU": gpus}, columns)).device == Device("small", 1, 2, 3)


def test_the_real_recording(real: Path) -> None:
    said: list[tuple[int, int]] = []
    began = time.process_time()
    trace = nsys.read(real, progress=lambda done, total: said.append((done, total)))
    assert time.process_time() - began < 1
    assert trace.tool == "nsys 2025.3.2.0"
    assert trace.device == Device("NVIDIA H100 80GB HBM3", 3_352_320_000_000, 85_017_493_504, 132)
    assert (len(trace.work), len(trace.calls), len(trace.ranges)) == (1839, 4850, 80)
    assert min(event.start for events in (trace.work, trace.calls, trace.ranges) for event in events) == 0  # type: ignore[attr-defined]
    assert said == sorted(said)
    assert said[-1][0] == said[-1][1] > 6000


def test_launched_by_finds_what_sql_finds(real: Path) -> None:
    trace = nsys.read(real)
    inference = next(span for span in trace.ranges if span.name == "inference")
    query = f"""
        SELECT count(*) FROM {RANGES} n
        JOIN {CALLS} r ON r.globalTid = n.globalTid AND r.start >= n.start AND r.end <= n.end
        JOIN {{}} k ON k.correlationId = r.correlationId AND k.globalPid = (r.globalTid & 0xFFFFFFFFFF000000)
        WHERE n.text = 'inference'"""
    with sqlite3.connect(real) as connection:
        counts = {
            kind: connection.execute(query.format(table)).fetchone()[0]
            for kind, table in (("kernel", KERNEL), ("memcpy", COPY), ("memset", SET))
        }
    assert Counter(work.kind for work in launched_by(trace, inference)) == Counter(counts)


def by_sql(path: Path, query: str) -> dict[str, tuple[int, ...]]:
    with sqlite3.connect(path) as connection:
        return {row[0]: row[1:] for row in connection.execute(query)}


def by_name(sums: tuple[Sum, ...]) -> dict[str, tuple[int, ...]]:
    return {item.name: item[1:5] for item in sums}


SPAN = "count(*), sum(end - start), min(end - start), max(end - start)"


def test_totals_are_those_of_nsys_stats(real: Path) -> None:
    found = nsys.totals(real)
    kernels = f"SELECT s.value, {SPAN} FROM {KERNEL} k JOIN StringIds s ON s.id = k.demangledName GROUP BY 1"
    calls = f"""SELECT CASE substr(s.value, -6, 2) WHEN '_v' THEN substr(s.value, 1, length(s.value) - 6) ELSE s.value END, {SPAN}
        FROM {CALLS} JOIN StringIds s ON s.id = nameId GROUP BY 1"""
    copies = f"""SELECT CASE copyKind WHEN 1 THEN 'HtoD' WHEN 2 THEN 'DtoH' END, {SPAN}, sum(bytes) FROM {COPY} GROUP BY 1
        UNION ALL SELECT 'memset', {SPAN}, sum(bytes) FROM {SET} HAVING count(*) > 0"""
    ranges = f"""SELECT coalesce(d.text, '') || ':' || coalesce(s.value, n.text), {SPAN.replace("end", "n.end").replace("start", "n.start")}
        FROM {RANGES} n LEFT JOIN StringIds s ON s.id = n.textId LEFT JOIN {RANGES} d ON d.eventType = 75 AND d.domainId = n.domainId
        WHERE n.eventType IN (59, 70) GROUP BY 1"""
    assert by_name(found.kernels) == by_sql(real, kernels)
    assert by_name(found.calls) == by_sql(real, calls)
    assert {item.name: item[1:] for item in found.copies} == by_sql(real, copies)
    assert by_name(found.push_pop) == by_sql(real, ranges)
    assert [item.ns for item in found.kernels] == sorted((item.ns for item in found.kernels), reverse=True)


def test_totals_close_an_open_range_at_the_end_and_name_its_domain(tmp_path: Path) -> None:
    rows = {RANGES: [*ROWS[RANGES], (900, None, 75, "CCCL", None, THREAD, 1), (1000, 1010, 59, "scan", None, THREAD, 1)]}
    found = nsys.totals(export(tmp_path / "a.sqlite", rows))
    assert found.push_pop == (Sum(":step 0", 1, 400, 400, 400), Sum(":open", 1, 10, 10, 10), Sum("CCCL:scan", 1, 10, 10, 10))
    assert found.start_end == (Sum(":registered", 1, 250, 250, 250),)
    assert found.calls == (Sum("cudaLaunchKernel", 2, 120, 20, 100),)


def test_totals_say_how_far_they_are(real: Path) -> None:
    said: list[tuple[int, int]] = []
    nsys.totals(real, lambda done, total: said.append((done, total)))
    assert said == sorted(said)
    assert said[-1][0] <= said[-1][1]


def test_the_full_recording_reads_well_under_half_a_second(tmp_path: Path) -> None:
    if not FULL.is_file():
        pytest.skip(f"{FULL} is not there (it is not in the repository): only the fixture cut from it was read")
    path = tmp_path / "full.sqlite"
    path.write_bytes(gzip.decompress(FULL.read_bytes()))
    took = []
    for _ in range(3):
        began = time.process_time()
        trace = nsys.read(path)
        took.append(time.process_time() - began)
    assert (len(trace.work), len(trace.calls), len(trace.ranges)) == (6266, 31139, 120)
    assert min(took) < 0.5
