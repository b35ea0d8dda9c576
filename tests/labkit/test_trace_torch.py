"""Reading torch.profiler's traces: its words for the GPU come from PyTorch's kineto (output_json.cpp, CuptiActivity.h)."""

import gzip
import json
import re
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from labkit.trace import torch_profiler
from labkit.trace.analysis import launched_by, steps
from labkit.trace.errors import BadTrace
from labkit.trace.model import Call, Device, Op, Range, Work

HERE = Path(__file__).parent / "trace_files"
GPU = HERE / "torch_gpu.json"
ONE = '{"ph": "X", "cat": "cpu_op", "name": "aten::add", "pid": 1, "tid": 2, "ts": %s, "dur": %s}'


def text(path: Path, *events: str) -> Path:
    path.write_text('{"schemaVersion": 1, "traceEvents": [' + ",\n".join(events) + "]}")
    return path


def changed(path: Path, **changes: Any) -> Path:
    event = {"ph": "X", "cat": "cpu_op", "name": "aten::add", "pid": 1, "tid": 2, "ts": 1, "dur": 1} | changes
    return text(path, json.dumps({key: value for key, value in event.items() if value is not ...}))


def test_a_trace_with_a_gpu_is_read_to_the_last_field() -> None:
    trace = torch_profiler.read(GPU)
    assert trace.tool == "torch.profiler, vLLM 0.32.0"
    assert trace.device == Device("NVIDIA H100 80GB HBM3", 0, 84929347584, 132)
    assert trace.ranges == (Range("river 0", 0, 900_500, 4242, 4242),)
    assert trace.ops == (Op("aten::add", 100_000, 150_250, 4242, 4242),)
    assert trace.calls == (
        Call("cudaLaunchKernel", 110_125, 120_250, 4242, 4242, 11),
        Call("cudaMemcpyAsync", 200_000, 210_000, 4242, 4242, 12),
        Call("cudaMemsetAsync", 220_000, 221_000, 4242, 4242, 13),
        Call("cuLaunchKernelEx", 230_000, 231_000, 4242, 4242, 14),
        Call("cudaGraphLaunch", 240_000, 260_000, 4242, 4242, 15),
    )
    assert trace.work == (
        Work("kernel", "void at::native::vectorized_elementwise_kernel<4>(int)", 1_000_001, 1_001_505, 7, 4242, 11),
        Work("memcpy", "HtoD", 1_010_000, 1_011_000, 7, 4242, 12, 4096),
        Work("memset", "memset", 1_020_000, 1_021_000, 7, 4242, 13, 64),
        Work("kernel", "triton_poi_fused_add_0", 1_030_000, 1_031_000, 7, 4242, 14),
        Work("kernel", "nvjet_sm90_hsh_64x64", 1_040_000, 1_042_000, 7, 4242, 15, 0, 8589934597),
    )
    assert launched_by(trace, steps(trace, "river")[0]) == list(trace.work)


def test_a_cpu_trace_of_vllm() -> None:
    trace = torch_profiler.read(HERE / "torch_cpu.json.gz")
    assert trace.tool == "torch.profiler, vLLM 0.32.0"
    assert (trace.device, trace.work, trace.calls) == (None, (), ())
    assert [span.name for span in steps(trace, "river")] == ["river 0", "river 1"]
    assert min(event.start for event in (*trace.ranges, *trace.ops)) == 0
    assert len(trace.ops) > 100


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [("4545378673402.385", 385), ("4545378673402.001", 1), ("4545378673402.9994", 999), ("4545378673402", 0), ("4545378673402.0", 0)],
)
def test_no_nanosecond_is_lost(tmp_path: Path, stamp: str, expected: int) -> None:
    path = text(tmp_path / "a.json", ONE % (stamp, "0.007"), ONE % ("4545378673402", "0"))
    trace = torch_profiler.read(path)
    assert {(op.start, op.end) for op in trace.ops} == {(0, 0), (expected, expected + 7)}


def test_every_nanosecond_of_a_second_survives(tmp_path: Path) -> None:
    stamps = range(4545378673402000, 4545378673402000 + 10**9, 999_983)
    path = text(tmp_path / "a.json", *(ONE % (f"{stamp // 1000}.{stamp % 1000:03}", "0") for stamp in stamps))
    assert [op.start for op in torch_profiler.read(path).ops] == [stamp - stamps[0] for stamp in stamps]


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(
    "layout", ["{}", "[{}]", '{{"traceEvents": [{}], "traceName": "/home/ada/x.json"}}', ' {{"a": [1], "traceEvents":[ {} ] }}\n']
)
def test_layouts(tmp_path: Path, layout: str, packed: bool) -> None:
    raw = layout.format(ONE % (1, 1)).encode()
    path = tmp_path / "a.json"
    path.write_bytes(gzip.compress(raw) if packed else raw)
    if layout == "{}":  # an event alone is no trace
        with pytest.raises(BadTrace, match="has no traceEvents"):
            torch_profiler.read(path)
    else:
        assert len(torch_profiler.read(path).ops) == 1


def test_a_long_trace_is_read_in_pieces(tmp_path: Path) -> None:
    events = [json.dumps({**json.loads(ONE % (n, 1)), "name": f"aten::äöü€𝄞 {n % 7}"}, ensure_ascii=False) for n in range(30_000)]
    said: list[tuple[int, int]] = []
    trace = torch_profiler.read(text(tmp_path / "a.json", *events), progress=lambda done, total: said.append((done, total)))
    assert len(trace.ops) == 30_000
    assert {op.name for op in trace.ops} == {f"aten::äöü€𝄞 {n}" for n in range(7)}
    assert said == sorted(said) and said[-1][0] == said[-1][1]


def test_work_belongs_to_the_process_that_launched_it(tmp_path: Path) -> None:
    call = '{"ph": "X", "cat": "cuda_runtime", "name": "cudaLaunchKernel", "pid": %d, "tid": 1, "ts": 1, "dur": 1, "args": {"correlation": %d}}'
    work = '{"ph": "X", "cat": "Kernel", "name": "k", "pid": 0, "tid": 7, "ts": 5, "dur": 1, "args": {"correlation": %d}}'
    trace = torch_profiler.read(text(tmp_path / "a.json", call % (10, 1), call % (20, 2), work % 2, work % 1, work % 3))
    assert [(item.process, item.correlation, item.stream) for item in trace.work] == [(20, 2, 7), (10, 1, 7), (10, 3, 7)]


def test_what_may_be_missing(tmp_path: Path) -> None:
    path = changed(tmp_path / "a.json", dur=..., tid="PyTorch Profiler", pid=None, name=7, args=[1])
    assert torch_profiler.read(path).ops == (Op("(unnamed)", 0, 0, 0, 0),)
    assert torch_profiler.read(text(tmp_path / "b.json")).ops == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ts": ...}, "without a time"),
        ({"ts": "1"}, "without a time"),
        ({"ts": True}, "without a time"),
        ({"ts": float("nan")}, "without a time"),
        ({"ts": float("inf")}, "without a time"),
        ({"ts": 2**80}, "without a time"),
        ({"dur": -1}, "ends before it starts"),
        ({"dur": [1]}, "without a time"),
    ],
)
def test_times_that_are_none(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BadTrace, match=words):
        torch_profiler.read(changed(tmp_path / "a.json", **changes))


@pytest.mark.parametrize("number", ["1e999999999", "-1e400", "1" * 5000, "1" * 5000 + ".5", "0." + "1" * 5000, "1e-999999999"])
def test_monstrous_numbers(tmp_path: Path, number: str) -> None:
    path = text(tmp_path / "a.json", ONE % (number, 1))
    if number.startswith("0.") or number == "1e-999999999":
        assert torch_profiler.read(path).ops[0].start == 0
    else:
        with pytest.raises(BadTrace):
            torch_profiler.read(path)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "is cut short"),
        (b"{", "is cut short"),
        (b"hello", r"has 'h' where \{ belongs"),
        (b'{"traceEvents": [', "is cut short"),
        (b'{"traceEvents": [{"ph": "X"', "cut short, or no JSON"),
        (b'{"traceEvents": [1 2]}', r"has '2' where , or \] belongs"),
        (b'{"traceEvents": {}}', r"has '\{' where \[ belongs"),
        (b"{1: 2}", "a key that is no text"),
        (b'{"traceEvents": [' + b"[" * 200_000, "cut short, or no JSON"),
        (b'{"a":' * 200_000, "cut short, or no JSON"),
        (b'{"traceEvents": ["' + b"x" * 3_000_000 + b'"]}', "cut short, or no JSON"),
        (b"\x1f\x8b", "cannot be unpacked"),
        (b"\x1f\x8bnonsense", "cannot be unpacked"),
        (gzip.compress(b'{"traceEvents": []}', mtime=0)[:-6], "cannot be unpacked"),
        (b"\xff\xfe\x00", "where"),
    ],
)
def test_what_is_no_trace(tmp_path: Path, raw: bytes, words: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(raw)
    with pytest.raises(BadTrace, match=words) as caught:
        torch_profiler.read(path)
    assert re.fullmatch(r".+\. Expected .+\. .+\.", str(caught.value), re.DOTALL)


def test_no_file_and_no_plain_file(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(BadTrace, match="cannot be opened"):
            torch_profiler.read(path)


def test_a_bomb_ends_at_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labkit.trace.json_stream.MAX_TEXT", 3_000_000)
    path = tmp_path / "a.json.gz"
    path.write_bytes(gzip.compress(b'{"traceEvents": [' + b" " * 50_000_000))
    with pytest.raises(BadTrace, match="unpacks to more than 3,000,000 bytes"):
        torch_profiler.read(path)
    monkeypatch.setattr("labkit.trace.json_stream.MAX_FILE", 10)
    with pytest.raises(BadTrace, match="Expected at most 10"):
        torch_profiler.read(path)


def test_long_arguments_are_not_held(tmp_path: Path) -> None:
    long = {"correlation": ["x" * 50_000], "stream": {"a": "y" * 50_000}, "bytes": "z" * 50_000, "graph node id": 1.5}
    event = {"ph": "X", "cat": "kernel", "name": "k", "ts": 1, "dur": 1, "args": long}
    path = text(tmp_path / "a.json", *[json.dumps(event)] * 400)
    tracemalloc.start()
    try:
        trace = torch_profiler.read(path)
        assert tracemalloc.get_traced_memory()[1] < 12_000_000  # of 60
    finally:
        tracemalloc.stop()
    assert set(trace.work) == {Work("kernel", "k", 0, 1000, 0, 0, 0)}


def test_too_many_events_and_too_little_time(tmp_path: Path) -> None:
    path = text(tmp_path / "a.json", *[ONE % (1, 1)] * 11)
    assert len(torch_profiler.read(path, limit=11).ops) == 11
    with pytest.raises(BadTrace, match="more than 10 events"):
        torch_profiler.read(path, limit=10)
    with pytest.raises(BadTrace, match="more than 0 seconds"):
        torch_profiler.read(path, seconds=0)
