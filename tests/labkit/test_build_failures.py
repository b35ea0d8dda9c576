"""Real logs of failed builds are explained by their first cause.

The logs in build_logs/ were made with vLLM 0.32.0 on Debian 12, shortened to the telling lines, with paths replaced; their names begin
with the id of the cause. `wrong_nvcc` was made with an nvcc that reports another version, `disk_full` with /dev/full as output,
`old_compiler` needed nothing: g++ 12.2 is too old. `no_cutlass_python` is from a machine with an H100, where VLLM_CUTLASS_SRC_DIR named the CUTLASS
of the flashinfer-python wheel.
"""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.build.failures import CAUSES, explain, show_findings

LOGS = sorted((Path(__file__).parent / "build_logs").glob("*.txt"))
WITNESS = {  # what the line that shows the cause must say
    "bad_build_type": "'debug' for CMAKE_BUILD_TYPE",
    "cpp_error": "error: missing terminating",
    "bad_build_type-silent": "Build type: RelWithDebugInfo",
    "disk_full": "No space left on device",
    "disk_full-link": "final link failed",
    "no_arch": "No supported CUDA architectures",
    "no_build_tools": "setuptools_rust",
    "no_cuda_home": "CUDA_HOME is not set",
    "no_cuda_home-cmake": "CUDA cannot be found",
    "no_cutlass_python": "Machete generation failed",
    "no_network": "Could not resolve host: github.com",
    "no_ninja": '"Ninja"',
    "no_numa": "numa.h",
    "no_python_headers": "Python_INCLUDE_DIRS",
    "old_cmake": "3.26 or higher",
    "old_compiler": "gcc/g++ >= 12.3",
    "old_compiler-cuda": "GCC >= 13",
    "old_compiler-internal_error": "internal compiler error",
    "out_of_memory": "virtual memory exhausted",
    "out_of_memory-killed": "Killed signal terminated program cc1plus",
    "wrong_nvcc": "two conflicting CUDA versions",
    "wrong_python": "(3.10) is not one of",
    "wrong_torch": "No module named 'torch'",
    "wrong_torch-setup": "No module named 'torch'",
    "wrong_torch-cpu_build": "Can't find CUDA or HIP installation",
    "wrong_torch-cpu_build_setup": "Unknown runtime environment",
}

# Texts that this project's machines cannot provoke, from the source of vLLM's CMakeLists.txt, of torch's cuda.cmake and cpp_extension.py,
# of nvcc's host_config.h, and from gcc, ninja and git as others met them.
SOURCE_TEXTS = [
    (
        "wrong_torch",
        "CMake Warning at CMakeLists.txt:184 (message):\n  Pytorch version 2.13.0 expected for CUDA build, saw 2.11.0 instead.",
    ),
    ("old_compiler", "  GCC >= 11.3 is required to build vLLM (found 11.2.0).  PyTorch's C++20"),
    ("wrong_nvcc", "  FindCUDA says CUDA version is 12.9 (usually determined by nvcc), but the CUDA"),
    ("wrong_nvcc", "The detected CUDA version (12.4) mismatches the version that was used to compile\nPyTorch (13.0)."),
    ("wrong_nvcc", "#error -- unsupported GNU version! gcc versions later than 15 are not supported!"),
    ("no_cuda_home", "FileNotFoundError: [Errno 2] No such file or directory: '/usr/local/cuda/bin/nvcc'"),
    ("out_of_memory", "nvcc error   : 'ptxas' died due to signal 9 (Kill signal)"),
    ("out_of_memory", "c++: internal compiler error: Killed (program cc1plus)"),
    ("out_of_memory", "FAILED: [code=137] CMakeFiles/_C.dir/csrc/cpu/cpu_attn.cpp.o"),
    ("out_of_memory", "cc1plus: out of memory allocating 65536 bytes after a total of 402190336 bytes"),
    ("out_of_memory", "collect2: fatal error: ld terminated with signal 9 [Killed]"),
    ("no_python_headers", "/src/csrc/core/registration.h:3:10: fatal error: Python.h: No such file or directory"),
    ("no_numa", "/usr/bin/ld: cannot find -lnuma: No such file or directory"),
    ("no_network", "fatal: unable to access 'https://host/x.git/': Failed to connect to host port 443 after 130 ms: Connection refused"),
    ("old_cmake", 'CMake Error: Could not read presets from /src:\n"cmakeMinimumRequired" version too new'),
    ("no_ninja", "/bin/sh: 1: ninja: not found"),
    ("disk_full", "OSError: [Errno 122] Disk quota exceeded: '/src/.deps'"),
    ("bad_build_type", "-- Build type: "),
]


def test_each_log_has_its_witness_and_each_cause_a_log():
    assert {log.stem for log in LOGS} == set(WITNESS)
    assert {name.split("-")[0] for name in WITNESS} == {cause.id for cause in CAUSES}


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.stem)
def test_a_real_log_is_explained_by_its_first_cause(log):
    text = log.read_text()
    first = explain(text)[0]
    assert first.id == log.stem.split("-")[0]
    assert WITNESS[log.stem] in first.line
    assert first.line in text.splitlines()[first.line_number - 1]
    assert first.stops == (log.stem != "bad_build_type-silent")


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.stem)
def test_what_follows_from_the_cause_is_no_cause_of_its_own(log):
    assert [f.id for f in explain(log.read_text()) if f.stops] in ([log.stem.split("-")[0]], [])


@pytest.mark.parametrize(("name", "text"), SOURCE_TEXTS, ids=[f"{name}-{i}" for i, (name, _) in enumerate(SOURCE_TEXTS)])
def test_texts_from_the_sources_are_known(name, text):
    assert [f.id for f in explain(text)] == [name]


def test_the_logs_name_no_machine():
    for log in LOGS:
        assert not any(path in log.read_text() for path in ("/work/", "/root/", "/home/")), log
        assert len(log.read_text().splitlines()) <= 26


def test_what_stops_the_build_comes_before_what_does_not():
    log = "-- Build type: RelWithDebugInfo\n-- Target device: cpu\n  X86 backend requires gcc/g++ >= 12.3\n"
    assert [(f.id, f.stops) for f in explain(log)] == [("old_compiler", True), ("bad_build_type", False)]


def test_a_clone_that_failed_for_a_full_disk_is_not_blamed_on_the_network():
    log = "Cloning into 'onednn-src'...\nfatal: write error: No space left on device\nCMake Error:\n  Failed to clone repository:\n"
    assert [f.id for f in explain(log)] == ["disk_full"]


def test_independent_causes_are_listed_in_their_order():
    log = "/src/csrc/cpu/utils.cpp:2:12: fatal error: numa.h: No such file or directory\nvirtual memory exhausted: Cannot allocate memory\n"
    assert [(f.id, f.line_number) for f in explain(log)] == [("no_numa", 1), ("out_of_memory", 2)]


def test_a_log_of_a_good_build_shows_nothing():
    good = "-- Build type: RelWithDebInfo\n-- Found Python: /venv/bin/python\n[1/2] Building CXX object a.o\n[2/2] Linking CXX shared module _C.abi3.so\n"
    assert explain(good) == []


def test_colours_do_not_hide_a_cause():
    assert [f.id for f in explain("\x1b[31mvirtual memory \x1b[0mexhausted: Cannot allocate memory")] == ["out_of_memory"]


@given(st.lists(st.sampled_from([text for _, text in SOURCE_TEXTS]) | st.text(max_size=60)).map("\n".join))
def test_any_text_gives_each_cause_once_with_a_line_that_exists(text):
    found = explain(text)
    assert len({f.id for f in found}) == len(found)
    assert all(1 <= f.line_number <= len(text.splitlines()) for f in found)
    assert [f.stops for f in found] == sorted((f.stops for f in found), reverse=True)


def test_a_line_of_a_million_characters_takes_no_time():
    began = time.monotonic()
    explain("Could NOT find Python " + "(missing: " * 100_000)
    assert time.monotonic() - began < 1


def test_findings_are_shown_with_the_first_cause_in_the_title(capsys):
    show_findings(explain("virtual memory exhausted: Cannot allocate memory"))
    said = capsys.readouterr().out
    assert "out_of_memory first" in said and "MAX_JOBS" in said
    show_findings([])
    assert "none of the causes known here" in capsys.readouterr().out
