"""A forecast adds up, says what it rests on, and refuses what it cannot know."""

import json
import math
import re
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.build import costs as costs_module
from labkit.build import forecast as forecast_module
from labkit.build.costs import Cost, Costs, Extra, kind, refresh, unit_costs
from labkit.build.forecast import Machine, Unit, forecast, schedule, show_forecast, this_machine, units_of
from labkit.messages import LearnerMessage
from tests.lessons.conftest import ROOT
from tools.lesson import read

TABLE = Costs(
    {"a.cpp": Cost(60, 1000), "b.cpp": Cost(20, 3000), "c.cpp": Cost(20, 500), "k.cu": Cost(30, 400)},
    (Extra("oneDNN", ("_C",), 100, 200, 50, "Estimated."),),
    {"C++": 10, "CUDA": 2},
    "on a named machine",
)
BIG = Machine(cores=4, memory_mib=64_000, disk_mib=100_000)


def build_folder(tmp_path, *outputs):
    entries = [{"directory": "/build", "command": "c++", "file": "x", "output": output} for output in outputs]
    (tmp_path / "compile_commands.json").write_text(json.dumps(entries))
    return tmp_path


def test_units_come_from_the_chosen_targets_with_relative_and_absolute_outputs(tmp_path):
    build = build_folder(
        tmp_path, "CMakeFiles/_C.dir/csrc/cpu/utils.cpp.o", "/build/CMakeFiles/_C.dir/a.cpp.o", "CMakeFiles/other.dir/x.cpp.o"
    )
    assert units_of(build, ["_C"]) == [Unit("_C", "csrc/cpu/utils.cpp"), Unit("_C", "a.cpp")]


def test_an_unknown_target_is_named_beside_those_that_are_there(tmp_path):
    build = build_folder(tmp_path, "CMakeFiles/_C.dir/a.cpp.o", "CMakeFiles/other.dir/x.cpp.o")
    with pytest.raises(LearnerMessage, match="(?s)no target '_moe_C'.*→ It has _C, other"):
        units_of(build, ["_moe_C"])


@pytest.mark.parametrize("content", [None, "", "{", "7", '[{"output": 1}, 3]'])
def test_a_folder_that_was_not_configured_gives_a_next_step(tmp_path, content):
    if content is not None:
        (tmp_path / "compile_commands.json").write_text(content)
    with pytest.raises(LearnerMessage, match="→ Configure first"):
        units_of(tmp_path, ["_C"])


def test_the_figures_add_up():
    found = forecast([Unit("x", "a.cpp"), Unit("x", "b.cpp"), Unit("x", "c.cpp")], Machine(2, 64_000, 100_000), TABLE)
    assert (found.units, found.estimated, found.peak_mib, found.jobs) == (3, 0, 3000, 2)
    assert found.cpu_minutes == pytest.approx(100 / 60)
    assert found.wall_minutes == pytest.approx(1)  # 60 on one core beside 20 + 20 on the other
    assert found.disk_mib == 60


def test_what_the_target_needs_from_outside_is_part_of_it_and_named():
    found = forecast([Unit("_C", "a.cpp")], BIG, TABLE)
    assert found.units == 101
    assert found.cpu_minutes == pytest.approx(260 / 60)
    assert any(sentence.startswith("oneDNN: 100 units that vLLM's tree does not have") for sentence in found.basis)
    assert forecast([Unit("fs_io_C", "a.cpp")], BIG, TABLE).units == 1


def test_a_unit_that_was_not_measured_gets_the_median_of_its_kind_and_is_counted():
    found = forecast([Unit("x", "new.cpp")], BIG, TABLE)
    assert (found.estimated, found.peak_mib) == (1, 3000)
    assert found.cpu_minutes == pytest.approx(20 / 60)
    assert any("1 were not (new.cpp)" in sentence and "1 of kind C++ (20 s)" in sentence for sentence in found.basis)


def test_a_kind_that_was_never_measured_is_refused():
    with pytest.raises(LearnerMessage, match=r"(?s)marlin.*\(Marlin\).*→ Take the costs of the other lane"):
        forecast([Unit("x", "csrc/quantization/marlin/marlin.cu")], BIG, TABLE)


@pytest.mark.parametrize(
    ("machine", "threads", "jobs", "max_jobs", "said"),
    [
        (Machine(16, 64_000, 1e6), 1, 16, 16, "The cores decide on 16"),
        (Machine(16, 10_000, 1e6), 1, 3, 3, "The memory decides on 3"),
        (Machine(16, 64_000, 1e6), 4, 4, 16, "16 cores for 4 nvcc threads"),
        (Machine(2, 64_000, 1e6), 4, 1, 4, "1 job"),
        (Machine(8, 2_000, 1e6), 1, 1, 1, "may run out of memory"),
    ],
)
def test_jobs_follow_from_cores_threads_and_memory(machine, threads, jobs, max_jobs, said):
    found = forecast([Unit("x", "b.cpp")], machine, TABLE, threads)
    assert (found.jobs, found.max_jobs) == (jobs, max_jobs)
    assert any(said in sentence for sentence in found.basis)


def test_a_disk_that_is_too_small_is_said():
    assert any("free some first" in sentence for sentence in forecast([Unit("x", "a.cpp")], Machine(2, 9000, 5), TABLE).basis)


def test_one_unit_measured_here_scales_everything():
    units = [Unit("_C", "a.cpp"), Unit("_C", "new.cpp")]
    there, here = forecast(units, BIG, TABLE), forecast(units, BIG, TABLE.calibrate("a.cpp", 90))
    assert here.cpu_minutes == pytest.approx(there.cpu_minutes * 1.5)
    assert here.wall_minutes == pytest.approx(there.wall_minutes * 1.5)
    assert here.peak_mib == there.peak_mib
    assert any("Calibrated: a.cpp" in sentence and "1.50" in sentence for sentence in here.basis)
    assert any("reference machine's seconds" in sentence for sentence in there.basis)


@pytest.mark.parametrize(("source", "seconds"), [("new.cpp", 5), ("a.cpp", 0), ("a.cpp", -1), ("a.cpp", math.nan), ("a.cpp", math.inf)])
def test_what_cannot_calibrate_is_refused_with_a_next_step(source, seconds):
    with pytest.raises(LearnerMessage, match="→"):
        TABLE.calibrate(source, seconds)


def test_nothing_to_build_is_refused():
    with pytest.raises(LearnerMessage, match="nothing to forecast"):
        forecast([], BIG, TABLE)


@given(st.lists(st.floats(0, 500), min_size=1, max_size=40), st.integers(1, 9))
def test_a_schedule_lies_between_its_bounds(seconds, workers):
    wall, even = schedule(seconds, workers), sum(seconds) / workers
    assert max(even, max(seconds)) <= wall + 1e-6
    assert wall <= even + max(seconds) + 1e-6


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("csrc/cpu/utils.cpp", "C++"),
        ("csrc/cache_kernels.cu", "CUDA"),
        ("csrc/quantization/marlin/marlin.cu", "Marlin"),
        ("csrc/quantization/machete/generated/machete_mm_impl_part4.cu", "CUTLASS or Machete"),
        ("csrc/quantization/w8a8/cutlass/moe/moe_data.cu", "CUTLASS or Machete"),
        ("csrc/quantization/machete/bindings.cpp", "C++"),
    ],
)
def test_the_path_tells_the_kind(source, name):
    assert kind(source) == name


def test_the_committed_costs_can_forecast_both_lanes_and_say_where_they_are_from():
    cpu, cuda = unit_costs("cpu"), unit_costs("cuda")
    assert len(cpu.units) > 30 and "g++" in cpu.where and "nvcc" in cuda.where
    assert 10 < cpu.units["csrc/cpu/utils.cpp"].cpu_s < 60
    for kind_name in costs_module.KINDS:
        assert any(kind(source) == kind_name for source in cuda.units) and kind_name in cuda.object_mib
    found = forecast([Unit("_C", source) for source in cpu.units], BIG, cpu)
    assert found.units == len(cpu.units) + 384
    assert 30 < found.cpu_minutes < 90


def test_the_cuda_forecast_counts_what_a_generator_would_write():
    cuda, target = unit_costs("cuda"), "_C_stable_libtorch"
    generated = {source for source in cuda.units if "/machete/generated/" in source}
    plain = [Unit(target, source) for source in sorted(set(cuda.units) - generated)]
    without, whole = forecast(plain, BIG, cuda), forecast([*plain, *(Unit(target, source) for source in generated)], BIG, cuda)
    assert (len(generated), without.units, without.cpu_minutes) == (10, whole.units, pytest.approx(whole.cpu_minutes, rel=1e-3))
    assert (without.estimated, whole.estimated) == (0, 0)
    assert "Machete: 10 units" in "\n".join(without.basis) and "Machete: " not in "\n".join(whole.basis)


def test_new_measurements_replace_old_ones_and_failures_are_left_out(tmp_path, monkeypatch):
    table = tmp_path / "unit_costs.json"
    table.write_text(json.dumps({"cpu": {"units": {"b.cpp": {"cpu_s": 1, "rss_mib": 2}, "a.cpp": {"cpu_s": 9, "rss_mib": 9}}}}))
    lines = [{"out": f"CMakeFiles/_C.dir/{name}.cpp.o", "rc": rc, "cpu": 3.14, "rss_mib": 40} for name, rc in (("b", 0), ("c", 1))]
    (tmp_path / "cost.jsonl").write_text("\n".join(map(json.dumps, lines)))
    monkeypatch.setattr(costs_module, "TABLE", table)
    refresh("cpu", tmp_path / "cost.jsonl")
    assert '"a.cpp": {"cpu_s": 9, "rss_mib": 9},\n   "b.cpp": {"cpu_s": 3.1, "rss_mib": 40}\n' in table.read_text()


def test_this_machine_has_what_a_build_needs(tmp_path):
    machine = this_machine(tmp_path)
    assert machine.cores >= 1 and 0 < machine.memory_mib < math.inf and machine.disk_mib > 0


def test_the_limit_of_a_container_counts(tmp_path, monkeypatch):
    for name, text in (
        ("memory.max", "1073741824\n"),
        ("memory.current", "800000000\n"),
        ("memory.stat", "anon 1\ninactive_file 300000000\n"),
    ):
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(forecast_module, "CGROUP", tmp_path)
    assert this_machine(tmp_path).memory_mib == pytest.approx((1073741824 - 500000000) / 2**20)
    (tmp_path / "memory.max").write_text("max\n")
    assert this_machine(tmp_path).memory_mib > 547


def test_the_table_has_one_line_per_figure_and_the_basis(capsys):
    show_forecast(forecast([Unit("_C", "a.cpp")], BIG, TABLE))
    said = capsys.readouterr().out
    for text in ("translation units", "101", "1,000 MiB", "MAX_JOBS=4", "Estimated.", "on a named machine"):
        assert text in said


def test_the_lesson_shows_what_the_sample_changed(monkeypatch, capsys):
    """Of a dry run, in a notebook: ipykernel asks all programs for colours."""
    cell = next(
        cell.source
        for cell in read(ROOT / "lessons" / "02_source_build.md").notebook.cells
        if "--dry-run" in cell.source and cell.cell_type == "code"
    )

    def run(*_, env, **__):
        for name, value in {"FORCE_COLOR": "1", "TERM": "xterm-color", **env}.items():
            monkeypatch.setenv(name, value)
        show_forecast(forecast([Unit("_C", "a.cpp")], BIG, TABLE.calibrate("b.cpp", 60)))
        return SimpleNamespace(output=capsys.readouterr().out + "$ cmake -G Ninja\n$ cmake --build build\n")

    exec(compile(cell, "cell", "exec"), {"lab": SimpleNamespace(run=run, folder="."), "re": re})
    title, *rows = capsys.readouterr().out.splitlines()
    assert title.startswith("Forecast: about ")
    assert [row.partition(" ")[0] for row in rows] == ["CPU", "jobs", "wall", "because", "$"]
    assert "Calibrated: b.cpp took 60.0 s here" in rows[3] and "something else was running" in rows[3] and "\x1b" not in "".join(rows)
