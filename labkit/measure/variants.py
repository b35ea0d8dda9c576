"""Several builds of one function of vLLM's: the command that vLLM's own CMake has for its file, with the options of each build type.

The function is `rotary_embedding`: each layer of a model calls it once a step, on both lanes.
"""

import json
import platform
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labkit.build.hook import write, write_hook
from labkit.build.tree import check_compiler, cmake_settings, wheel_folder
from labkit.checks.exercises_build_types import BUILD_TYPES, BUILDS, FUNCTION, SOURCE, STRIPPED, SYMBOL
from labkit.lane import Lane, LaneName
from labkit.measure.switch_source import ADDRESS, LIGHT, cpu_switch, cuda_switch
from labkit.messages import LearnerMessage

DEVICE = {"Debug": "-lineinfo", "RelWithDebInfo": "-lineinfo", "Release": "", "Debug-G": "-G"}  # nvcc's option for device code
START_OVER = "Remove work/06_exercises/cmake and work/overlays, and run the cell again."
AVX512 = {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"}
RULES = ["rule run", "  command = $cmd", "  description = $out"]


@dataclass(frozen=True)
class Command:
    """How vLLM's CMake compiles one file: the words without build type, output and input, and the source tree that they name."""

    words: tuple[str, ...]
    tree: str


@dataclass(frozen=True)
class Place:
    """Where builds are made: their folder, vLLM's source as it ships, where CMake was configured, the lane, and whose builds they are."""

    folder: Path
    tree: Path
    configured: Path
    lane: Lane
    soname: str


def extension(lane: LaneName, flags: str = "") -> str:
    """Return the extension that vLLM loads on this processor (vllm/platforms/cpu.py:CpuPlatform.import_kernels); `flags` as /proc/cpuinfo has them."""
    if lane == "cuda":
        return "_C_stable_libtorch"
    if platform.machine() != "x86_64":
        return "_C"
    has = set((flags or Path("/proc/cpuinfo").read_text()).split())
    return "_C_AVX2" if not has >= AVX512 else "_C" if "avx512_bf16" in has else "_C_AVX512"


def configured(work: Path) -> Path | None:
    """Return a folder where vLLM's CMake is configured: this lesson's or lesson 02's; None when there is none."""
    found = [*sorted(work.glob("06_exercises/cmake/compile_commands.json")), *sorted(work.glob("overlays/*/compile_commands.json"))]
    return found[0].parent if found else None


def configure(tree: Path, folder: Path, lane: Lane) -> list[str]:
    """Return the command that configures vLLM's CMake in `folder`. Raises LearnerMessage without a compiler, OSError on a full disk."""
    check_compiler()
    hook = write_hook(folder / "labkit" / "hook.cmake", tree, lane)
    settings = [*cmake_settings("Release", lane), "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", f"-DCMAKE_PROJECT_vllm_extensions_INCLUDE={hook}"]
    return ["cmake", "-G", "Ninja", "-S", str(tree), "-B", str(folder), *settings]


def build_type_flags(cache: str, language: str) -> dict[str, str]:
    """Return what each build type adds to the compiler's command, from the text of a CMakeCache.txt; `language` is CXX or CUDA.

    Raises LearnerMessage when it does not say.
    """
    pattern = r"^CMAKE_{}_FLAGS_{}:STRING=(.*)$"
    found = {kind: re.search(pattern.format(language, kind.upper()), cache, re.MULTILINE) for kind in BUILD_TYPES}
    flags = {kind: match[1] for kind, match in found.items() if match}
    if set(flags) != set(BUILD_TYPES):
        raise LearnerMessage("CMakeCache.txt does not name the options of the build types.", START_OVER)
    return flags


def command_of(entries: Iterable[Mapping[str, str]], target: str, source: str, flags: Mapping[str, str]) -> Command:
    """Return vLLM's own command for a file of an extension, from compile_commands.json, without what a build type adds to it.

    Raises LearnerMessage when there is none.
    """
    of_types = {word for text in flags.values() for word in text.split()}
    for entry in entries:
        if f"CMakeFiles/{target}.dir/" in entry["command"] and entry["file"].endswith(f"/{source}"):
            words = shlex.split(entry["command"])
            at = words.index("-o")
            kept = [word for word in (*words[:at], *words[at + 2 :]) if word not in of_types and word not in ("-c", entry["file"])]
            return Command(tuple(kept), entry["file"].removesuffix(f"/{source}"))
    raise LearnerMessage(f"vLLM's CMake has no command for {source} of {target} here.", START_OVER)


def write_builds(place: Place) -> dict[str, str]:
    """Write build.ninja into the place, from what CMake configured; return each build's own compiler options.

    Raises LearnerMessage when the configured folder does not fit, OSError when the disk is full.
    """
    place.folder.mkdir(parents=True, exist_ok=True)
    lane = place.lane.name
    flags = build_type_flags((place.configured / "CMakeCache.txt").read_text(), "CXX" if lane == "cpu" else "CUDA")
    entries = json.loads((place.configured / "compile_commands.json").read_text())
    options = {name: options_of(name, flags, lane) for name in BUILDS[lane] if name != STRIPPED}
    compiler = _moved(command_of(entries, extension(lane), SOURCE[lane], flags), place.tree)
    edges = _cpu(place, compiler, options) if lane == "cpu" else _cuda(place, compiler, options, entries, flags)
    write(place.folder / "build.ninja", "\n".join([*RULES, *edges, ""]))
    return options


def options_of(name: str, flags: Mapping[str, str], lane: LaneName) -> str:
    """Return a build's own options. `-g` is in all of them, so that each library says how it was compiled; it changes no machine code."""
    own = flags[name.partition("-")[0]].split()
    return " ".join([*own, *(["-g"] if "-g" not in own else []), *([DEVICE[name]] if lane == "cuda" and DEVICE[name] else [])])


def nvcc_of(configured: Path, tree: Path) -> list[str]:
    """Return the words of vLLM's own nvcc command for the function's file, without output and build type. Raises LearnerMessage."""
    flags = build_type_flags((configured / "CMakeCache.txt").read_text(), "CUDA")
    entries = json.loads((configured / "compile_commands.json").read_text())
    return _moved(command_of(entries, extension("cuda"), SOURCE["cuda"], flags), tree)


def _moved(command: Command, tree: Path) -> list[str]:
    """The command for the source as it ships, whatever tree was configured: a learner may have changed that one."""
    return [word.replace(command.tree, str(tree)) for word in command.words]


def edge(output: str, inputs: Sequence[str], command: Sequence[str], *, then: str = "") -> list[str]:
    """Return one step of a build.ninja; `then` goes behind the command as it is, for the shell."""
    return [f"build {output}: run {' '.join(inputs)}", f"  cmd = {(shlex.join(command) + then).replace('$', '$$')}"]


def _renamed(place: Place) -> list[str]:
    """One name for each folder on every machine: no path of the learner's in a library."""
    packages = wheel_folder(place.lane).parent
    pairs = [
        (packages, "/site-packages"),
        (place.configured, "/configured"),
        (place.folder, "/build"),
        (place.tree, f"/{place.tree.name}"),
    ]
    return [f"-ffile-prefix-map={path}={name}" for path, name in pairs]


def _link(place: Place, compiler: str, name: str, parts: Sequence[str], more: Sequence[str]) -> list[str]:
    torch = wheel_folder(place.lane).parent / "torch" / "lib"
    soname = f"-Wl,--build-id,--compress-debug-sections=zlib,-soname,{place.soname}_{name}"
    libraries = [f"-L{torch}", f"-Wl,-rpath,{torch}", "-ltorch_cpu", "-lc10", *more]
    return edge(f"{name}.so", parts, [compiler, "-shared", soname, "-o", f"{name}.so", *parts, *libraries])


def _cpu(place: Place, compiler: list[str], options: Mapping[str, str]) -> list[str]:
    """The steps on the CPU lane. OpenMP's runtime is not linked: torch brings the one that all share."""
    folder, source = place.folder, str(place.tree / SOURCE["cpu"])
    (folder / "light" / "torch").mkdir(parents=True, exist_ok=True)
    write(folder / "light" / "torch" / "all.h", LIGHT)
    write(folder / "exports.map", f"{{ global: {SYMBOL}; local: *; }};\n")
    write(folder / "switch.c", cpu_switch(SYMBOL, platform.machine()))
    before = [compiler[0], f"-I{folder / 'light'}", "-include", str(Path(__file__).parents[1] / "build" / "o0_intrinsics.h")]
    lines = edge("switch.so", ["switch.c"], [compiler[0], "-x", "c", "-O2", "-fPIC", "-shared", "-o", "switch.so", "switch.c"])
    for name, own in options.items():
        compile_it = [*before, *compiler[1:], *own.split(), *_renamed(place), "-o", f"{name}.o", "-c", source]
        lines += edge(f"{name}.o", [source], compile_it)
        lines += _link(place, compiler[0], name, [f"{name}.o"], ["-Wl,--version-script=exports.map"])
    return lines + edge(f"{STRIPPED}.so", ["Release.so"], ["strip", "--strip-all", "-o", f"{STRIPPED}.so", "Release.so"])


def _cuda(place: Place, nvcc: list[str], options: Mapping[str, str], entries: list[dict[str, str]], flags: Mapping[str, str]) -> list[str]:
    """The steps on the CUDA lane: one library per build, and a switch that registers the operator."""
    bindings, source = "csrc/torch_bindings.cpp", str(place.tree / SOURCE["cuda"])
    includes = "\n".join(line for line in (place.tree / bindings).read_text().splitlines() if line.startswith("#include"))
    write(place.folder / "switch.cpp", cuda_switch(includes, FUNCTION))
    write(place.folder / "address.cpp", ADDRESS.format(function=FUNCTION))
    host = _moved(command_of(entries, extension("cuda"), bindings, flags), place.tree)
    runtime = ["-ltorch_cuda", f"-L{Path(nvcc[0]).parents[1] / 'lib64'}", "-lcudart"]
    lines = []
    for name in ("switch", "address"):
        lines += edge(f"{name}.o", [f"{name}.cpp"], [*host, "-O2", "-o", f"{name}.o", "-c", f"{name}.cpp"])
    lines += _link(place, host[0], "switch", ["switch.o"], runtime)
    for name, own in options.items():
        renamed = [f"-Xcompiler={word}" for word in _renamed(place)]
        lines += edge(f"{name}.o", [source], [*nvcc, *own.split(), *renamed, "-o", f"{name}.o", "-c", source])
        lines += _link(place, host[0], name, [f"{name}.o", "address.o"], runtime)
    return lines
