"""Several builds of one function: commands, the switch, cubins, and what samples say."""

import ctypes
import json
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from labkit.checks.exercises_build_types import Speed
from labkit.checks.exercises_device_code import LABELS, OPTIONS
from labkit.lab import Lab
from labkit.measure import build_views, device_code, variants
from labkit.measure.build_types import BuildTypes
from labkit.measure.switch_source import cpu_switch
from labkit.messages import LearnerMessage
from labkit.spread import spread

CACHE = "\n".join(
    [
        "CMAKE_CXX_FLAGS_DEBUG:STRING=-g",
        "CMAKE_CXX_FLAGS_RELEASE:STRING=-O3 -DNDEBUG",
        "CMAKE_CXX_FLAGS_RELWITHDEBINFO:STRING=-O2 -g -DNDEBUG",
    ]
)
FLAGS = {"Debug": "-g", "RelWithDebInfo": "-O2 -g -DNDEBUG", "Release": "-O3 -DNDEBUG"}
ENTRY = {
    "file": "/tree/csrc/cpu/pos_encoding.cpp",
    "command": "/usr/bin/c++ -DX=1 -I/tree/csrc -O2 -g -DNDEBUG -fPIC -mavx2 -o CMakeFiles/_C_AVX2.dir/csrc/cpu/pos_encoding.cpp.o -c /tree/csrc/cpu/pos_encoding.cpp",
}


def test_the_build_types_are_what_cmake_says():
    assert variants.build_type_flags(CACHE, "CXX") == FLAGS


def test_a_cache_without_them_is_refused():
    with pytest.raises(LearnerMessage, match="options of the build types"):
        variants.build_type_flags(CACHE, "CUDA")


def test_the_command_loses_build_type_output_and_input():
    found = variants.command_of([ENTRY], "_C_AVX2", "csrc/cpu/pos_encoding.cpp", FLAGS)
    assert found == variants.Command(("/usr/bin/c++", "-DX=1", "-I/tree/csrc", "-fPIC", "-mavx2"), "/tree")


def test_another_extension_has_no_command():
    with pytest.raises(LearnerMessage, match="no command for csrc/cpu/pos_encoding.cpp of _C"):
        variants.command_of([ENTRY], "_C", "csrc/cpu/pos_encoding.cpp", FLAGS)


@pytest.mark.parametrize(
    ("name", "lane", "options"),
    [
        ("Debug", "cpu", "-g"), ("Release", "cpu", "-O3 -DNDEBUG -g"), ("RelWithDebInfo", "cpu", "-O2 -g -DNDEBUG"),
        ("Debug-G", "cuda", "-g -G"), ("Debug", "cuda", "-g -lineinfo"), ("Release", "cuda", "-O3 -DNDEBUG -g"),
    ],
)  # fmt: skip
def test_each_build_says_how_it_was_compiled(name, lane, options):
    assert variants.options_of(name, FLAGS, lane) == options


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the flags are those of x86")
@pytest.mark.parametrize(
    ("flags", "extension"),
    [
        ("avx2", "_C_AVX2"),
        ("avx512f avx512cd avx512bw avx512dq avx512vl", "_C_AVX512"),
        ("avx512f avx512cd avx512bw avx512dq avx512vl avx512_bf16", "_C"),
    ],
)
def test_the_extension_is_the_one_that_vllm_loads(flags, extension):
    assert variants.extension("cpu", flags) == extension


def test_dollars_survive_ninja():
    assert variants.edge("a.o", ["a.c"], ["cc", "-DX=$Y"]) == ["build a.o: run a.c", "  cmd = cc '-DX=$$Y'"]


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a C compiler")
def test_the_switch_counts_and_jumps(tmp_path: Path):
    (tmp_path / "switch.c").write_text(cpu_switch("twice", platform.machine()))
    (tmp_path / "builds.c").write_text("long one(long n) { return 2 * n; } long two(long n) { return 2 * n + 1; }")
    for name in ("switch", "builds"):
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", f"{name}.so", f"{name}.c"], cwd=tmp_path, check=True)
    switch, builds = (ctypes.CDLL(str(tmp_path / f"{name}.so")) for name in ("switch", "builds"))
    said = []
    for name in ("one", "two"):
        switch.labkit_choose(ctypes.cast(getattr(builds, name), ctypes.c_void_p))
        said.append(switch.twice(21))
    assert (said, switch.labkit_called()) == ([42, 43], 2)


def test_registers_and_stack_are_read_from_ptxas():
    said = (
        "ptxas info    : Compiling entry function 'one' for 'sm_90'\nptxas info    : Used 32 registers, used 0 barriers\n"
        "ptxas info    : Compiling entry function 'two' for 'sm_90'\n"
        "ptxas info    : Used 80 registers, used 0 barriers, 392 bytes cumulative stack size\n"
    )
    assert device_code.registers(said) == {"one": (32, 0), "two": (80, 392)}


def test_what_is_no_cubin_is_refused():
    with pytest.raises(LearnerMessage, match="not a 64-bit ELF file"):
        device_code.read(b"nothing", "", {"rotate": "rotate"})


def test_the_recording_has_every_option_and_kernel():
    found = device_code.recorded()["options"]
    assert set(found) == set(OPTIONS)
    assert all(set(one["kernels"]) == set(LABELS) == set(device_code.KERNELS) for one in found.values())


def test_the_recording_shows_what_the_lesson_says():
    found = device_code.recorded()["options"]
    code = {option: one["kernels"]["Half, neox"]["code_sha256"] for option, one in found.items()}
    assert {option for option in OPTIONS if code[option] == code["-O3"]} == {"-O3", "-O0", "-O0 -g", "-O3 -lineinfo"}
    assert [option for option in OPTIONS if ".debug_info" in found[option]["debug_sections"]] == ["-O3 -G"]
    assert [option for option in OPTIONS if ".debug_line" in found[option]["debug_sections"]] == ["-O3 -lineinfo", "-O3 -G"]
    assert [found[option]["kernels"]["Half, neox"]["registers"] for option in ("-O3", "-O3 -G")] == [32, 80]


def test_without_a_gpu_the_recorded_times_of_the_kernel_are_shown_with_where_they_are_from(tmp_path, capsys):
    lab = Lab("06_exercises", learner="ann", lane="cpu", folder=tmp_path)
    BuildTypes(lab).show_kernel_times()
    said = capsys.readouterr().out
    for shown in ("32,768 tokens, recorded on NVIDIA H100", "exercises-speed.json", "74.54", "4323.45", "58.00"):
        assert shown in said


def test_the_recorded_times_are_those_of_the_reference_run():
    record = json.loads((Path(__file__).parents[2] / "recordings/cuda-reference/evidence/exercises-speed.json").read_text())
    spreads, how = device_code.recorded_times()
    assert spreads == {name: spread(samples) for name, samples in record["facts"]["samples"]["32768"].items()}
    assert record["machine"]["gpu"] in how


def speed(**changes) -> Speed:
    """A run with simple numbers: 30 calls per token, 10 ms per token, 5 µs more per call."""
    values = {
        "first": {"Release": 50e-6, "Debug": 900e-6}, "small": {"Release": [3e-6] * 5, "Debug": [8e-6] * 5},
        "large": {"Release": [14e-6] * 5, "Debug": [630e-6] * 5}, "engine": {"Release": [0.16] * 5, "Debug": [0.162] * 5},
        "calls": {"Release": [480.0] * 5, "Debug": [480.0] * 5},
    }  # fmt: skip
    return Speed(**{**values, **changes})


def test_amdahl():
    found = speed()
    assert found.ratio == pytest.approx(45)
    assert found.more == pytest.approx(150e-6)
    assert found.expected == pytest.approx(100 * 0.15 / 10.15)


def test_noise_is_inside_when_the_middle_halves_overlap():
    noisy = [0.15, 0.155, 0.16, 0.165, 0.17]
    assert speed().noise == "outside"
    assert speed(engine={"Release": noisy, "Debug": noisy}).noise == "inside"


def test_plots_say_what_one_sees(capsys):
    build_views.plot_calls({"1 token": {"Release": [3e-6] * 5, "Debug": [8e-6] * 5}})
    build_views.plot_tokens({"Release": [100.0, 101.0], "Debug": [99.0, 100.0]})
    said = capsys.readouterr().out
    assert "Debug 8 µs" in said
    assert "Release: median 100" in said


def test_configuring_is_announced_before_it_runs(tmp_path, monkeypatch, capsys):
    """It shows nothing while it runs, which took 18 s on a machine with a GPU."""
    lab = Lab("06_exercises", learner="ann", lane="cpu", folder=tmp_path)
    said = []
    monkeypatch.setattr(lab, "source", lambda: tmp_path)
    monkeypatch.setattr(lab, "run", lambda *_, **__: said.append(capsys.readouterr().out))
    monkeypatch.setattr(variants, "configure", lambda *_: ["cmake"])
    monkeypatch.setattr(variants, "write_builds", lambda _: {})
    BuildTypes(lab).prepare()
    assert "Asking vLLM's CMake" in said[0]
