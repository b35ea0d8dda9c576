"""An overlay with device code, compiled twice by the real nvcc: lesson 03 looks for the build-id that lesson 02 recorded."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import labkit.build

SOURCE = """
namespace { __device__ int last; }
__global__ void kernel(float* x, int n) { if (int(threadIdx.x) < n) { x[threadIdx.x] *= 2; last = n; } }
extern "C" void launch(float* x, int n) { kernel<<<1, 32>>>(x, n); }
"""
PROJECT = """
cmake_minimum_required(VERSION 3.26)
project(vllm_extensions LANGUAGES CXX CUDA)
set(VLLM_PYTHON_EXECUTABLE {python})
include({overlay})
add_library(extension MODULE kernel.cu)
vllm_overlay(mine TARGET extension SOURCE kernel.cu CUDA_OPTIONS -G)
"""


@pytest.mark.real
@pytest.mark.skipif(not shutil.which("nvcc"), reason="no nvcc on this machine")
def test_device_code_compiled_again_is_the_same_library(tmp_path: Path) -> None:
    overlay = Path(labkit.build.__file__).with_name("overlay.cmake")
    (tmp_path / "kernel.cu").write_text(SOURCE)
    (tmp_path / "CMakeLists.txt").write_text(PROJECT.format(python=sys.executable, overlay=overlay))
    build = tmp_path / "build"
    cmake = Path(sys.executable).with_name("cmake")

    def do(*command: str | Path) -> None:
        subprocess.run([cmake, *command], check=True, capture_output=True, timeout=120)

    do("-S", tmp_path, "-B", build, "-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_CUDA_ARCHITECTURES=90")
    libraries = []
    for _ in range(2):
        do("--build", build, "--target", "mine", "--clean-first")
        libraries.append(next(build.glob("libmine.so")).read_bytes())

    assert libraries[0] == libraries[1]
    assert not list(build.glob("CMakeFiles/mine.dir/**/*.cudafe*")), "nvcc's temporary files are left beside the object"
