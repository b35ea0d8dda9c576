"""What a learner sees of a trace: tables, timeline, controls, the file for Perfetto, and the estimate of a decode step."""

import gzip
import html
import json
import re
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from labkit import show
from labkit.messages import LearnerMessage
from labkit.plots import as_image
from labkit.profile import bound, compare, perfetto, tables, timeline, units, zoom
from labkit.profile.lanes import lanes, nested, window
from labkit.trace.analysis import steps
from labkit.trace.model import Call, Device, Op, Range, Trace, Work

US, MS = 1_000, 1_000_000
FLASH = "void cutlass::device_kernel<flash::enable_sm90_or_later<flash::FlashAttnFwdSm90<int, (bool)1>>>(T1::Params)"
OTHER_FLASH = FLASH.replace("(bool)1", "(bool)0")
H100 = Device("NVIDIA H100 80GB HBM3", bandwidth=3_352_320_000_000)
SMOL = {
    "model_type": "llama", "hidden_size": 576, "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3, "head_dim": 64,
    "intermediate_size": 1536, "vocab_size": 49152, "tie_word_embeddings": True,
}  # fmt: skip
OPT = {
    "model_type": "opt", "hidden_size": 768, "ffn_dim": 3072, "max_position_embeddings": 2048, "vocab_size": 50272,
    "num_hidden_layers": 12, "num_attention_heads": 12,
}  # fmt: skip


def step(number: int, at: int, length: int, late: int = 0) -> tuple[Range, list[Call], list[Work]]:
    """One step: three launches 100 µs apart, each followed by a kernel of 20 µs, the last one `late` µs later; then a copy and a wait."""
    span = Range(f"river {number}", at, at + length, 10, 1)
    base = number * 10
    calls = [Call("cudaLaunchKernel_v7000", at + i * 100 * US, at + i * 100 * US + 10 * US, 10, 1, base + i) for i in range(3)]
    calls.append(Call("cudaMemcpyAsync_v3020", at + 300 * US, at + 305 * US, 10, 1, base + 3))
    calls.append(Call("cudaStreamSynchronize_v3020", at + 310 * US, at + 330 * US, 10, 1, base + 4))
    starts = [call.start + 15 * US for call in calls[:2]] + [calls[2].start + 15 * US + late * US]
    work = [
        Work("kernel", n, s, s + 20 * US, 7, 1, base + i)
        for i, (n, s) in enumerate(zip((FLASH, OTHER_FLASH, "nvjet_x"), starts, strict=True))
    ]
    work.append(Work("memcpy", "DtoH", at + 320 * US, at + 322 * US, 13, 1, base + 3, size=4000))
    return span, calls, work


@pytest.fixture
def gpu() -> Trace:
    """A prefill of 2 ms and three decode steps of 1 ms; the last kernel of step 2 runs when step 3 has begun."""
    made = [step(0, 0, 2 * MS), step(1, 2 * MS, MS), step(2, 3 * MS, MS, late=850), step(3, 4 * MS, MS)]
    ranges = [span for span, _, _ in made] + [Range("schedule", 2 * MS + 40 * US, 2 * MS + 100 * US, 10, 1)]
    return Trace(
        "nsys 2026.1", H100,
        tuple(sorted((w for _, _, work in made for w in work), key=lambda w: w.start)),
        tuple(c for _, calls, _ in made for c in calls),
        tuple(sorted(ranges, key=lambda r: (r.start, -r.end))),
    )  # fmt: skip


@pytest.fixture
def cpu() -> Trace:
    """Two steps of a CPU: a matrix product in an outer operator, and nothing of a device."""
    ranges = tuple(Range(f"river {i}", i * MS, i * MS + 900 * US, 10, 1) for i in range(2))
    ops = [
        o
        for i in range(2)
        for o in (Op("aten::linear", i * MS, i * MS + 600 * US, 10, 1), Op("aten::mm", i * MS + 100 * US, i * MS + 550 * US, 10, 1))
    ]
    return Trace("torch.profiler", None, (), (), ranges, tuple(ops))


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What a notebook is given to display, as in a kernel."""
    bundles: list[dict[str, Any]] = []
    kernel = ModuleType("ipykernel")
    kernel.version_info = (7, 0)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ipykernel", kernel)
    monkeypatch.setattr(show, "_display", bundles.append)
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw: bundles.append(bundle))
    return bundles


def cells(text: str) -> list[list[str]]:
    """The rows of a printed table."""
    lines = [line for line in text.splitlines() if "│" in line or "┃" in line]
    return [[cell.strip() for cell in re.split("[│┃]", line)[1:-1]] for line in lines]


def test_kernels_are_listed_with_shares_of_what_is_listed(gpu: Trace, capsys: pytest.CaptureFixture[str]) -> None:
    tables.show_totals(gpu, "All", rows=2)
    printed = capsys.readouterr().out
    assert "All: 3 different kernels, 12 launches, 240 µs together; shares are of these 240 µs" in printed
    assert cells(printed)[1:] == [
        ["nvjet_x", "GEMM (cuBLAS)", "4", "80 µs", "20 µs", "33.3%"],
        ["flash::FlashAttnFwdSm90", "attention", "4", "80 µs", "20 µs", "33.3%"],
        ["1 more", "", "4", "80 µs", "20 µs", "33.3%"],
    ]
    tables.show_totals(gpu, "All")
    assert "flash::FlashAttnFwdSm90 #2" in capsys.readouterr().out


def test_the_full_name_is_there_on_hover_and_is_escaped(gpu: Trace, shown: list[dict[str, Any]]) -> None:
    evil = 'f<"><script>alert(1)</script>'
    tables.show_totals([*gpu.work, gpu.work[0]._replace(name=evil)], "All")
    markup = shown[0]["text/html"]
    assert f'title="{html.escape(FLASH)}"' in markup
    assert "<script>" not in markup and html.escape(evil) in markup
    assert FLASH not in shown[0]["text/plain"]


def test_steps_are_counted_by_launch(gpu: Trace, capsys: pytest.CaptureFixture[str]) -> None:
    tables.show_steps(gpu, "river")
    printed = capsys.readouterr().out
    assert "4 steps, the median decode step takes 1 ms on the host" in printed
    rows = cells(printed)
    assert rows[1] == ["river 0", "prefill", "2 ms", "3", "3", "62 µs", "3.1%", "85 µs"]
    assert rows[3] == ["river 2", "decode", "1 ms", "3", "3", "62 µs", "6.2%", "743 µs"]


def test_without_a_device_steps_and_operators_of_the_host_are_shown(cpu: Trace, capsys: pytest.CaptureFixture[str]) -> None:
    tables.show_steps(cpu, "river")
    assert cells(capsys.readouterr().out)[2] == ["river 1", "decode", "900 µs", "2", "600 µs", "66.7%"]
    tables.show_costs(cpu, steps(cpu, "river")[:1])
    assert cells(capsys.readouterr().out)[1:] == [
        ["aten::mm", "GEMM", "1", "450 µs", "450 µs", "75.0%"], ["aten::linear", "other", "1", "150 µs", "150 µs", "25.0%"],
    ]  # fmt: skip
    tables.show_totals(cpu, "All")
    assert "All: there are no kernels. This trace has no GPU" in capsys.readouterr().out


def test_a_wrong_label_says_which_ranges_there_are(gpu: Trace, capsys: pytest.CaptureFixture[str]) -> None:
    for display in (tables.show_steps, zoom.explore):
        display(gpu, "lake")
        assert "There are no ranges named 'lake 0', 'lake 1', .... The trace has 'river 0', 'river 1'" in capsys.readouterr().out


def test_a_gap_says_whether_the_device_waited_for_its_launch(gpu: Trace, capsys: pytest.CaptureFixture[str]) -> None:
    tables.show_waits(gpu, "river", 1, 1, rows=1)
    printed = capsys.readouterr().out
    assert "The 1 longest of 3 gaps in the work of river 1" in printed
    # from 235 µs on, when the last kernel ends, to 320 µs; the copy is called at 300 µs for 5 µs, and the wait at 310 µs for 20 µs
    assert cells(printed)[1] == [
        "85 µs",
        "inside river 1",
        "nvjet_x",
        "copy DtoH",
        "65 µs into the gap",
        "river 1 (100%)",
        "17.6%",
        "cudaStreamSynchronize",
    ]
    tables.show_waits(gpu, "river", 1, 1, rows=2)
    assert cells(capsys.readouterr().out)[2][4:6] == ["65 µs into the gap", "schedule (75%)"]


def test_gaps_between_steps_are_shown_and_drawn(gpu: Trace, capsys: pytest.CaptureFixture[str]) -> None:
    tables.show_waits(gpu, "river", 0, 1, rows=2)
    first, second = cells(capsys.readouterr().out)[1:]
    assert first[:4] == ["1.69 ms", "between river 0 and river 1", "copy DtoH", "flash::FlashAttnFwdSm90"] and second[1] == "inside river 0"
    timeline.plot_wait(gpu, "river", 0, 1)
    assert "Timeline of The longest gap from river 0 to river 1: 1.69 ms, shaded, 2.54 ms from" in capsys.readouterr().out
    for display in (tables.show_waits, timeline.plot_wait):
        display(gpu, "river", 3, 4)
        assert "There is no step 4: the steps are 'river 0' to 'river 3'." in capsys.readouterr().out


def test_costs_of_some_ranges_and_of_the_profiler(gpu: Trace, cpu: Trace, capsys: pytest.CaptureFixture[str]) -> None:
    tables.show_costs(gpu, steps(gpu, "river")[1:])
    assert "3 ranges, river 1 to river 3: 3 different kernels, 9 launches, 180 µs together" in capsys.readouterr().out
    tables.show_costs(cpu, steps(cpu, "river")[:1])
    assert cells(capsys.readouterr().out)[1] == ["aten::mm", "GEMM", "1", "450 µs", "450 µs", "75.0%"]
    tables.show_cost([0.04, 0.01, 0.01, 0.03], [0.05, 0.012, 0.011, 0.03])
    assert cells(capsys.readouterr().out)[1:] == [
        ["prefill", "40 ms", "50 ms", "+25.0%"],
        ["decode step, median", "10 ms", "12 ms", "+20.0%"],
    ]
    timeline.plot_step(gpu, "river", 2)
    assert "[plot] Timeline of Step 2: river 2, 1.08 ms from 3 ms on." in capsys.readouterr().out


def test_copies_are_added_up_by_direction(gpu: Trace, capsys: pytest.CaptureFixture[str]) -> None:
    tables.show_moved(gpu)
    assert cells(capsys.readouterr().out)[1] == ["device to host (DtoH)", "4", "16 kB", "4 kB", "8 µs", "2 GB/s"]
    tables.show_moved([])
    assert "Nothing was copied" in capsys.readouterr().out


def test_attribution_by_overlap_misses_late_work_and_takes_that_of_others(gpu: Trace, capsys: pytest.CaptureFixture[str]) -> None:
    shares = tables.show_attribution(gpu, steps(gpu, "river")[2:])
    assert [row[1:] for row in cells(capsys.readouterr().out)[1:]] == [
        ["4", "62 µs (25.0%)", "3", "42 µs (16.9%)", "1", "0"],
        ["4", "62 µs (25.0%)", "5", "82 µs (33.1%)", "0", "1"],
    ]
    assert shares["river 2"] == {"by launch": 25.0, "by overlap in time": 16.9}


def test_runs_are_compared_by_their_decode_steps(gpu: Trace, capsys: pytest.CaptureFixture[str]) -> None:
    graph = Trace(
        "nsys", H100, (Work("graph", "graph 4", 10, 400 * US, 7, 1, 1),), (Call("cudaGraphLaunch_v10000", 0, 9, 10, 1, 1),),
        (Range("sea 1", 0, 500 * US, 10, 1),),
    )  # fmt: skip
    tables.compare_steps({"eager": (gpu, "river"), "graphs": (graph, "sea")})
    printed = capsys.readouterr().out
    assert "eager: 1 ms per step, of which the GPU is busy for 62 µs (6.2%); 3 launch calls, kernels: 3" in printed
    assert "graphs: 500 µs per step, of which the GPU is busy for 400 µs (80.0%); 1 launch calls, kernels: not traced" in printed
    assert ["launch calls", "3", "1"] in cells(printed)
    assert compare.plot({"a": {"host": 1.0, "busy": 0.0, "calls": 0, "kernels": 0, "graphs": 0, "gap": 0}}).axes
    tables.compare_steps({"eager": (gpu, "river"), "prefill": (gpu, [steps(gpu, "river")[0]])})
    assert "no decode steps in prefill" in capsys.readouterr().out


def test_modes_are_compared_with_and_without_the_profiler(capsys: pytest.CaptureFixture[str]) -> None:
    eager = {"bare_seconds": [0.5, 0.012, 0.012, 0.03], "seconds": [0.5, 0.04, 0.03, 0.03]}
    graphs = {"bare_seconds": [0.5, 0.002, 0.002], "seconds": [0.5, 0.003, 0.003]}
    tables.show_clocks({"eager": eager, "graphs": graphs})
    assert cells(capsys.readouterr().out)[1:] == [
        ["eager", "12 ms", "30 ms", "+150.0%"],
        ["graphs", "2 ms", "3 ms", "+50.0%"],
        ["eager / graphs", "6.0 ×", "10.0 ×", ""],
    ]
    tables.show_clocks({"eager": eager, "graphs": {"seconds": [0.1]}})
    assert cells(capsys.readouterr().out)[1:] == [["eager", "12 ms", "30 ms", "+150.0%"]]


def test_the_timeline_says_in_words_what_it_draws(gpu: Trace, capsys: pytest.CaptureFixture[str]) -> None:
    start, end = window(gpu, steps(gpu, "river")[2])
    assert (start, end) == (3 * MS, 3 * MS + (200 + 15 + 850 + 20) * US)
    timeline.plot_timeline(gpu, start=start, end=end, label="step 2")
    printed = capsys.readouterr().out
    assert "[plot] Timeline of step 2, 1.08 ms from 3 ms on. ranges: 2 events, 100.0% of the time; CUDA calls: 6 events" in printed
    assert "kernels, stream 7: 4 events, 7.4% of the time; copies DtoH: 1 event" in printed
    assert ["copies DtoH", "1", "2 µs", "0.2%", "2 µs"] in cells(printed)
    timeline.plot_timeline(gpu, start=8 * MS, end=9 * MS)
    assert "kernels, stream 7: 0 events, 0.0% of the time" in capsys.readouterr().out
    timeline.plot_timeline(Trace("nothing", None, (), (), ()))
    assert "there is no timeline" in capsys.readouterr().out


def test_ranges_are_nested_in_rows_and_what_is_too_deep_is_counted() -> None:
    lane = nested("ranges", [event for _, event in enumerate(lanes(_deep(9), 0, 100)[0].events)])
    assert [len(row) for row in lane.rows] == [1] * 6
    assert lanes(_deep(9), 0, 100)[0].hidden == 3


def _deep(levels: int) -> Trace:
    return Trace("t", None, (), (), tuple(Range(f"${i}$ r", i, 100 - i, 1, 1) for i in range(levels)))


def test_names_with_dollars_are_not_mathematics(shown: list[dict[str, Any]]) -> None:
    timeline.plot_timeline(_deep(3), label="$x$ $\\frac$")
    assert shown[0]["text/html"].startswith('<img alt="Timeline of $x$')


def test_a_hundred_thousand_events_are_drawn_at_once() -> None:
    names = [f"void k{i}<int>(int)" for i in range(50)]
    work = tuple(Work("kernel", names[i % 50], i * 1000, i * 1000 + 700, i % 3, 1, i) for i in range(100_000))
    trace = Trace("t", H100, work, (), ())
    as_image(timeline.figure_of(lanes(trace, 0, 1000), 0, 1000, ""), "")  # matplotlib's own start
    began = time.process_time()
    as_image(timeline.figure_of(lanes(trace, 0, 10**8), 0, 10**8, "all"), "all")
    assert time.process_time() - began < 2  # 0.5 s on a quiet machine
    assert [lane.name for lane in lanes(trace, 0, 10**8)] == [f"kernels\nstream {i}" for i in range(3)]
    assert lanes(trace, 0, 10**8)[0].busy / 10**8 == pytest.approx(0.7 / 3, rel=0.01)


def test_the_controls_choose_a_step_and_a_part_of_it(gpu: Trace, shown: list[dict[str, Any]]) -> None:
    zoom.explore(gpu, "river")
    (bundle,) = shown
    assert {"text/plain", "text/html", "application/vnd.jupyter.widget-view+json"} <= set(bundle)
    assert bundle["text/plain"].startswith("[plot] Timeline of river 1, 1 ms from 2 ms on.")
    assert '<img alt="Timeline of river 1, 1 ms' in bundle["text/html"] and "<caption" in bundle["text/html"]
    choices = {span.name: window(gpu, span) for span in steps(gpu, "river")}
    explorer = zoom.Explorer(gpu, choices, "river 1", "")
    explorer.begin.value = 0.2
    assert "Timeline of part of river 1, 800 µs from 2.2 ms on" in explorer.picture.value
    explorer.length.value = 0.1
    assert "Timeline of part of river 1, 100 µs from 2.2 ms on" in explorer.picture.value
    explorer.begin.value = 1.0
    assert "Timeline of part of river 1, 1 µs from 3 ms on" in explorer.picture.value
    explorer.step.value = "river 0"
    assert "Timeline of river 0, 2 ms from 0 ns on" in explorer.picture.value
    assert (explorer.begin.value, explorer.length.value) == (0, 2)
    explorer.length.value = 0.5
    explorer.whole.click()
    assert "Timeline of river 0, 2 ms from 0 ns on" in explorer.picture.value


def test_outside_a_notebook_the_controls_are_text(gpu: Trace, capsys: pytest.CaptureFixture[str]) -> None:
    zoom.explore(gpu, "river")
    assert capsys.readouterr().out.startswith("[plot] Timeline of river 1")


def test_perfetto_gets_named_tracks_spans_that_nest_and_arrows(gpu: Trace, tmp_path: Path) -> None:
    path = perfetto.export(gpu, tmp_path / "new" / "run.json.gz")
    assert path.read_bytes() == perfetto.export(gpu, tmp_path / "again.json.gz").read_bytes()
    written = json.loads(gzip.decompress(path.read_bytes()))
    events = written["traceEvents"]
    assert written["otherData"] == {"tool": "nsys 2026.1", "device": "NVIDIA H100 80GB HBM3"}
    named = {(e["pid"], e["tid"]): e["args"]["name"] for e in events if e["name"] == "thread_name"}
    assert sorted(named.values()) == ["stream 13", "stream 7", "thread 1"]
    assert "GPU: NVIDIA H100 80GB HBM3 (2)" in [e["args"]["name"] for e in events if e["name"] == "process_name"]
    spans = [e for e in events if e["ph"] == "X"]
    assert len(spans) == len(gpu.work) + len(gpu.calls) + len(gpu.ranges)
    starts = {e["id"]: e for e in events if e["ph"] == "s"}
    ends = {e["id"]: e for e in events if e["ph"] == "f"}
    assert len(starts) == len(ends) == len(gpu.work)
    for serial, begin in starts.items():
        call, work = _at(spans, begin), _at(spans, ends[serial])
        assert (call["cat"], named[call["pid"], call["tid"]]) == ("call", "thread 1")
        assert work["args"]["correlation"] == call["args"]["correlation"] and ends[serial]["bp"] == "e"
    assert json.loads(perfetto.export(gpu, tmp_path / "run.json").read_text()) == written


def _at(spans: list[dict[str, Any]], arrow: dict[str, Any]) -> dict[str, Any]:
    """The innermost span that begins where an arrow's end is."""
    return min((e for e in spans if all(e[k] == arrow[k] for k in ("pid", "tid", "ts"))), key=lambda e: float(e["dur"]))


def test_perfetto_gets_overlapping_ranges_and_kernels_on_tracks_of_their_own(tmp_path: Path) -> None:
    ranges = (Range("a", 0, 10, 1, 1), Range("in a", 2, 4, 1, 1), Range("across", 5, 15, 1, 1))
    work = (Work("kernel", "k", 0, 10, 7, 1, 1), Work("kernel", "k", 2, 5, 7, 1, 2))
    events = list(perfetto.events(Trace("t", None, work, (), ranges)))
    tracks = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    assert list(tracks.values()) == ["thread 1", "thread 1, overlapping 1", "stream 7", "stream 7, overlapping 1"]
    assert [tracks[e["tid"]] for e in events if e["ph"] == "X" and e["cat"] == "range"] == [
        "thread 1",
        "thread 1",
        "thread 1, overlapping 1",
    ]


def test_the_number_of_parameters_is_the_real_one() -> None:
    assert bound.parameters(SMOL) == 134_515_008  # the numbers of elements in SmolLM2-135M's model.safetensors, added up
    assert bound.parameters(OPT) == 125_239_296
    assert bound.model_bytes(SMOL, 2) == (269_030_016, 2 * 30 * 3 * 64 * 2)
    untied = {**SMOL, "tie_word_embeddings": False}
    assert bound.parameters(untied) - bound.looked_up(untied) == bound.parameters(SMOL)
    assert bound.model_bytes(untied, 2) == bound.model_bytes(SMOL, 2)  # a step reads one row of the input's table only
    with pytest.raises(LearnerMessage, match="model_type is 'mamba'"):
        bound.parameters({"model_type": "mamba"})
    with pytest.raises(LearnerMessage, match="hidden_size"):
        bound.parameters({"model_type": "llama"})


@pytest.mark.parametrize(
    ("busy", "step_s", "operations", "peak", "expected"),
    [
        (0.6e-3, 15e-3, 1e9, 1e15, "host/launch-bound: the GPU is busy for 4.0% of the step"),
        (
            1.5e-3,
            2e-3,
            1e9,
            1e15,
            "memory-bound: the floor of the arithmetic is 0.10% of its floor; the GPU is busy for 75.0% of the step, 1.5 times",
        ),
        (9e-3, 10e-3, 1e9, 1e15, "memory-bound: .*9 times the floor; its kernels are far from this limit"),
        (3e-3, 4e-3, 2e12, 1e15, "compute-bound: the floor of the reading is 50.00% of its floor; .* 1.5 times the floor$"),
        (1.5e-3, 2e-3, 1e9, 0, "not judged: .* this card's bandwidth or peak is not known"),
        (0, 2e-3, 1e9, 0, "not judged: the step launched nothing"),
    ],
)
def test_the_verdict_names_the_limit_with_its_numbers(busy: float, step_s: float, operations: float, peak: float, expected: str) -> None:
    least = bound.floor(3e9, 0.35e9, 3.35e12, operations=operations, peak=peak)
    assert least.memory == pytest.approx(1e-3)
    assert re.match(expected, bound.verdict(least, busy, step_s))


def test_numbers_are_written_in_the_unit_that_reads_best() -> None:
    assert [units.time_text(ns) for ns in (0, 999, 999_700, 1_000_000, 61e9, 5000e9)] == [
        "0 ns",
        "999 ns",
        "1 ms",
        "1 ms",
        "61 s",
        "5,000 s",
    ]
    assert units.size_text(3_352_320_000_000) == "3.35 TB"
    assert [units.share_text(*pair) for pair in ((1, 3), (1, 10**6), (0, 5), (0, 0))] == ["33.3%", "<0.1%", "0.0%", "–"]
