"""What labkit reads from two real exports of lesson 05 (nsys 2025.3.2, H100) against what nsys itself said of them."""

import csv
import lzma
import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from labkit.trace import nsys
from labkit.trace.analysis import launched_by, launches, steps
from labkit.trace.model import Trace
from labkit.trace.nsys_totals import Totals
from labkit.trace.readings import measure
from labkit.trace.sums import Sum

FILES = Path(__file__).parent / "trace_files"
DIRECTIONS = {"[CUDA memcpy Device-to-Host]": "DtoH", "[CUDA memcpy Host-to-Device]": "HtoD"}  # nsys's words, and ours
CUT_TO = {
    "StringIds", "META_DATA_EXPORT", "NVTX_EVENTS", "CUPTI_ACTIVITY_KIND_RUNTIME", "CUPTI_ACTIVITY_KIND_MEMCPY", "CUPTI_ACTIVITY_KIND_KERNEL",
    "TARGET_INFO_GPU", "TARGET_INFO_CUDA_DEVICE", "ENUM_NSYS_EVENT_TYPE", "ENUM_CUDA_MEMCPY_OPER",
}  # fmt: skip


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both exports."""
    folder = tmp_path_factory.mktemp("exports")
    for packed in FILES.glob("*.sqlite.xz"):
        (folder / packed.stem).write_bytes(lzma.decompress(packed.read_bytes()))
    return folder


@pytest.fixture(scope="module")
def added(unpacked: Path) -> Totals:
    """What labkit adds up."""
    return nsys.totals(unpacked / "steady.sqlite")


@pytest.fixture(scope="module")
def eager(unpacked: Path) -> Trace:
    """The profile of 12 steps in eager mode."""
    return nsys.read(unpacked / "steady.sqlite")


@pytest.fixture(scope="module")
def graphs(unpacked: Path) -> Trace:
    """The profile of the same 12 steps, the decode steps replayed from one CUDA graph."""
    return nsys.read(unpacked / "graphs.sqlite")


def printed(report: str) -> list[dict[str, str]]:
    """The rows that `nsys stats --format csv` printed."""
    with (FILES / "nsys_stats" / f"{report}.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


REPORTS = [
    # report, what labkit calls it, nsys's columns for the number of events and for their name
    ("cuda_gpu_kern_sum", "kernels", "Instances", "Name"),
    ("cuda_api_sum", "calls", "Num Calls", "Name"),
    ("nvtx_pushpop_sum", "push_pop", "Instances", "Range"),
    ("cuda_gpu_mem_time_sum", "copies", "Count", "Operation"),
]


@pytest.mark.parametrize(("report", "field", "times", "name"), REPORTS, ids=[report for report, *_ in REPORTS])
def test_the_sums_are_those_that_nsys_stats_printed(added: Totals, report: str, field: str, times: str, name: str) -> None:
    columns = (times, "Total Time (ns)", "Min (ns)", "Max (ns)")
    said = {DIRECTIONS.get(row[name], row[name]): tuple(int(row[column]) for column in columns) for row in printed(report)}
    mine: tuple[Sum, ...] = getattr(added, field)
    assert {item.name: (item.times, item.ns, item.shortest, item.longest) for item in mine} == said
    assert len(mine) == len(said)


@pytest.mark.parametrize(("report", "field", "times", "name"), REPORTS, ids=[report for report, *_ in REPORTS])
def test_shares_of_what_is_listed_are_those_of_nsys_stats(added: Totals, report: str, field: str, times: str, name: str) -> None:
    mine: tuple[Sum, ...] = getattr(added, field)
    said = {DIRECTIONS.get(row[name], row[name]): float(row["Time (%)"]) for row in printed(report)}
    together = sum(item.ns for item in mine)
    assert said == {item.name: pytest.approx(100 * item.ns / together, abs=0.051) for item in mine}


def test_the_longest_come_first_as_nsys_lists_them(added: Totals) -> None:
    assert [item.name for item in added.kernels] == [row["Name"] for row in printed("cuda_gpu_kern_sum")]
    assert [item.name for item in added.calls] == [row["Name"] for row in printed("cuda_api_sum")]


def test_bytes_are_those_of_nsys_stats(added: Totals) -> None:
    said = {DIRECTIONS[row["Operation"]]: (int(row["Count"]), float(row["Total (MB)"])) for row in printed("cuda_gpu_mem_size_sum")}
    assert {item.name: (item.times, round(item.size / 1e6, 3)) for item in added.copies} == said


def test_a_trace_has_what_the_sums_count(added: Totals, eager: Trace) -> None:
    kernels = Counter(work.name for work in eager.work if work.kind == "kernel")
    assert kernels == Counter({item.name: item.times for item in added.kernels})
    assert len(eager.calls) == sum(item.times for item in added.calls)
    assert len(eager.ranges) == sum(item.times for item in added.push_pop)


def test_a_range_that_vllm_registered_has_its_name(eager: Trace) -> None:
    names = Counter(span.name for span in eager.ranges)
    assert names["llm_engine step: get_output"] == 12
    assert names["schedule: allocate_slots"] == 11
    assert "" not in names


def test_in_eager_mode_every_kernel_of_a_decode_step_has_its_own_launch(eager: Trace) -> None:
    counted = [measure(eager, span, decodes=True) for span in steps(eager, "raven")[1:]]
    assert [(step.kernels, step.calls, step.graphs) for step in counted] == [(351, 351, 0)] * 10 + [(352, 352, 0)]  # the request ends


def test_the_nodes_of_a_graph_belong_to_the_call_that_launched_it(graphs: Trace) -> None:
    for span in steps(graphs, "raven")[1:11]:  # in the last one the request ends
        calls = Counter(call.name.partition("_v")[0] for call in launches(graphs, span))
        work = launched_by(graphs, span)
        kernels = [item for item in work if item.kind == "kernel"]
        assert (len(kernels), calls.total(), calls["cudaGraphLaunch"]) == (352, 20, 1)
        (graph,) = {item.correlation for item in work if item.node}
        (launch,) = [call for call in launches(graphs, span) if call.name.startswith("cudaGraphLaunch")]
        assert graph == launch.correlation
        assert sum(not item.node for item in kernels) == 19  # the other calls launched one kernel each


def test_the_prefill_replays_no_graph(graphs: Trace) -> None:
    prefill = steps(graphs, "raven")[0]
    assert not any(item.node for item in launched_by(graphs, prefill) if item.kind == "kernel")


@pytest.mark.parametrize("name", ["steady", "graphs"])
def test_the_exports_in_this_repository_hold_nothing_of_the_machine_they_came_from(unpacked: Path, name: str) -> None:
    with sqlite3.connect(unpacked / f"{name}.sqlite") as connection:
        tables = {table for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert tables == CUT_TO
        values = {value for table in tables for row in connection.execute(f"SELECT * FROM {table}") for value in row}
    texts = [value for value in values if isinstance(value, str)]
    assert "NVIDIA H100 80GB HBM3" in texts
    assert [text for text in texts if "/" in text or "=" in text] == []  # no path, no variable
