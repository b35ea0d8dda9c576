"""Read the log of a failed build: which known cause shows in which line, and what to do. A table of patterns, the first cause first."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from labkit import show

MAX_LINES = 200_000
MAX_LINE = 1000  # characters: compile commands are long, what says why is not
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

Weight = Literal["stops", "follows", "silent"]  # stops a build; does so too, but often only follows from another cause; does not stop it


@dataclass(frozen=True)
class Cause:
    """A known cause of failed builds and the text that shows it."""

    id: str
    pattern: re.Pattern[str]
    cause: str
    fix: str
    weight: Weight = "stops"


@dataclass(frozen=True)
class Finding:
    """A cause seen in a log: its id, the line (numbered from 1) that shows it, the cause and the fix in words.

    `stops` is False for what leaves a build running, but wrong.
    """

    id: str
    line_number: int
    line: str
    cause: str
    fix: str
    stops: bool


def _cause(name: str, pattern: str, cause: str, fix: str, weight: Weight = "stops") -> Cause:
    return Cause(name, re.compile(pattern), cause, fix, weight)


NEW_FOLDER = "CMake remembers what it found first: take a fresh build folder."
CAUSES = (
    _cause("disk_full", r"No space left on device|Disk quota exceeded",
           "The disk is full: an object file, a library or a clone could not be written.",
           "`df -h . /tmp` shows which disk. Free some space and build again; what is finished stays."),
    _cause("out_of_memory", r"virtual memory exhausted|[Cc]annot allocate memory|std::bad_alloc|: out of memory allocating"
           r"|Killed signal terminated program|internal compiler error: Killed|^Killed\b|terminated with signal 9|died due to signal 9"
           r"|\[code=137\]|exit (?:code|status):? 137",
           "A compiler ran out of memory, or the kernel ended it (signal 9, exit code 137) to save the machine.",
           "Fewer jobs: MAX_JOBS = free memory / memory of the largest job, and NVCC_THREADS=1. Then build again; what is finished stays."),
    _cause("no_build_tools", r"No module named '?(?:setuptools_rust|setuptools_scm|setuptools|packaging|wheel|jinja2)\b",
           "The Python that builds lacks packages that setup.py or CMake imports: --no-build-isolation leaves them to you.",
           "`pip install -r requirements/build/cpu.txt` (cuda.txt on the cuda lane), in the environment that builds."),
    _cause("wrong_torch", r"No module named '?torch\b|package configuration file provided by \"Torch\"",
           "The Python that builds has no torch, but vLLM compiles against torch's headers.",
           "Point VLLM_PYTHON_EXECUTABLE (or pip) at the environment that has torch; with pip, use --no-build-isolation."),
    _cause("wrong_torch", r"Unknown runtime environment|Can't find CUDA or HIP installation",
           "A CUDA build was asked for, and the torch of this Python is a CPU build.",
           "Install torch's CUDA build, or build for what you have: VLLM_TARGET_DEVICE=cpu.", "follows"),
    _cause("wrong_torch", r"Pytorch version .* expected for",
           "The torch of this Python is another version than the one that this vLLM is made for. CMake only warns.",
           "`pip install torch==` the version that the warning expects, then take a fresh build folder.", "silent"),
    _cause("no_cuda_home", r"CUDA_HOME is not set|CUDA cannot be found|uses CUDA but I cannot find|nvcc not found"
           r"|No such file or directory: '[^']*/bin/nvcc'",
           "No CUDA toolkit was found: neither CUDA_HOME nor nvcc on PATH leads to one. A driver alone has no compiler.",
           "Install the toolkit of torch's CUDA version and `export CUDA_HOME=/usr/local/cuda`. Without a GPU: VLLM_TARGET_DEVICE=cpu."),
    _cause("wrong_nvcc", r"two conflicting CUDA versions|FindCUDA says CUDA version is|mismatches the version that was used to compile"
           r"|PyTorch requires CUDA \S+ or above",
           "nvcc, the CUDA headers and torch are not of one CUDA version: two toolkits are mixed.",
           "Let CUDA_HOME and the first nvcc on PATH be of the version that `torch.version.cuda` says. " + NEW_FOLDER),
    _cause("wrong_nvcc", r"unsupported GNU version",
           "This nvcc does not know a g++ as new as yours.",
           "Take an older g++ (CUDAHOSTCXX=g++-13) or a newer CUDA toolkit of the same major version. " + NEW_FOLDER),
    _cause("no_arch", r"No supported CUDA architectures",
           "None of the GPU architectures asked for is one that vLLM has kernels for.",
           "TORCH_CUDA_ARCH_LIST takes your GPU's: `nvidia-smi --query-gpu=compute_cap --format=csv`. H100: 9.0."),
    _cause("no_ninja", r"build program corresponding to \"Ninja\"|ninja: (?:command )?not found|No such file or directory: '(?:\S*/)?ninja'",
           "CMake was told to generate for Ninja, and there is no ninja on PATH.",
           "`pip install ninja` in the environment that builds, and activate it: its bin/ must be on PATH."),
    _cause("old_cmake", r"CMake \S+ or higher is required|cmakeMinimumRequired.* version too new",
           "This cmake is older than vLLM's CMakeLists.txt wants, often the system's instead of pip's.",
           "`pip install 'cmake>=3.26.1'`; `which -a cmake` must name that one first."),
    _cause("old_compiler", r"requires gcc/g\+\+ >=|GCC >= \S+ is required to build vLLM",
           "This g++ is too old (the line says what is wanted).",
           "Install a newer one, name it with CXX=g++-13 CC=gcc-13, and build anew. " + NEW_FOLDER),
    _cause("old_compiler", r"internal compiler error: (?!Killed)",
           "The compiler gave up by itself: a bug in it, as a rule, and sometimes bad memory.",
           "Install a newer g++, name it with CXX=g++-13 CC=gcc-13, and build anew. " + NEW_FOLDER),
    _cause("no_network", r"Could not resolve (?:host|proxy)|Temporary failure in name resolution|Failed to connect to \S+ port"
           r"|(?:Connection|Operation) timed out|Network is unreachable",
           "CMake fetches sources (oneDNN; CUTLASS and others for CUDA) while it configures, and their host cannot be reached.",
           "Behind a proxy, set https_proxy. Offline, bring the sources: FETCHCONTENT_SOURCE_DIR_ONEDNN=/path, VLLM_CUTLASS_SRC_DIR=/path."),
    _cause("no_network", r"Failed to clone repository|could not find git for clone|SSL certificate problem|error: downloading '",
           "CMake fetches sources while it configures, and a download failed.",
           "Read the lines above this one. Offline, bring the sources: FETCHCONTENT_SOURCE_DIR_ONEDNN=/path, VLLM_CUTLASS_SRC_DIR=/path.",
           "follows"),
    _cause("no_cutlass_python", r"No module named '?cutlass_library\b|Machete generation failed",
           "CMake has Machete's kernels written by a script that imports CUTLASS's Python package, and that script failed.",
           "The log that the message names says why. VLLM_CUTLASS_SRC_DIR must name a whole checkout of CUTLASS: without its CMakeLists.txt, vLLM's CMake does not find its python/.",
           "follows"),
    _cause("no_numa", r"numa\.h: No such file or directory|cannot find -lnuma",
           "The CPU build uses libnuma, and its header or library is not installed.",
           "`sudo apt-get install libnuma-dev` (Fedora: numactl-devel), then build again."),
    _cause("no_python_headers", r"Python\.h: No such file or directory|Could NOT find Python.*\(missing:.*(?:INCLUDE_DIR|Development)",
           "The Python that builds has no C headers: distributions pack them apart.",
           "`sudo apt-get install python3-dev` (Fedora: python3-devel), or take a Python that brings them (uv, conda, pyenv)."),
    _cause("wrong_python", r"Python version \(\S+\) is not one of the supported",
           "vLLM does not support this version of Python.",
           "Make the environment with a version that the line names; VLLM_PYTHON_EXECUTABLE chooses it."),
    _cause("cpp_error", r"^\S+\.(?:cpp|cu|hpp|cuh|h):\d+(?::\d+:|\(\d+\):)? (?:fatal )?error: |^\S+\.(?:cu|cuh|cpp|h)\(\d+\): error",
           "The compiler does not accept the source (the line names file, line and column).",
           "Mend this first error first; the others may follow from it. Did you just edit that file?", "follows"),
    _cause("bad_build_type", r"Invalid value '.*' for CMAKE_BUILD_TYPE",
           "CMAKE_BUILD_TYPE has a value that vLLM's setup.py does not take; capitals count.",
           "Use Debug, Release or RelWithDebInfo, or leave it out: RelWithDebInfo is the default."),
    _cause("bad_build_type", r"^-- Build type:(?!(?i: (?:Debug|Release|RelWithDebInfo|MinSizeRel))$)",
           "CMake takes any build type and knows nothing of this one: it adds neither -O nor -g.",
           "-DCMAKE_BUILD_TYPE=Debug, Release or RelWithDebInfo, then build anew.", "silent"),
)  # fmt: skip


def explain(text: str) -> list[Finding]:
    """Return the known causes that a build's log shows: what stopped it first, then what made it wrong silently.

    Each id comes once, with the first line that shows it. What merely follows from an earlier cause is left out. [] means that the log
    shows none of the causes known here.
    """
    seen: dict[str, Finding] = {}
    lines = _ANSI.sub("", text).splitlines()[:MAX_LINES]
    for number, line in enumerate((line[:MAX_LINE].rstrip() for line in lines), 1):
        for cause in CAUSES:
            if cause.pattern.search(line) and not _known(cause, seen):
                seen[cause.id] = Finding(cause.id, number, line.strip(), cause.cause, cause.fix, cause.weight != "silent")
    return sorted(seen.values(), key=lambda finding: (not finding.stops, finding.line_number))


def _known(cause: Cause, seen: dict[str, Finding]) -> bool:
    """Whether a line adds nothing: its id was seen (a silent one gives way to one that stops), or an earlier cause explains it."""
    earlier = seen.get(cause.id)
    if earlier is not None and (earlier.stops or cause.weight == "silent"):
        return True
    return cause.weight == "follows" and any(finding.stops for finding in seen.values())


def show_findings(findings: Sequence[Finding]) -> None:
    """Show what a log's lines say, as a table; the first row is the one to mend first."""
    if not findings:
        show.text("The log shows none of the causes known here. Read on from the first line that says error.")
        return
    rows = [(f.id, "stops" if f.stops else "silent", f"{f.line_number}: {f.line}", f.cause, f.fix) for f in findings]
    show.table(f"What went wrong: {findings[0].id} first", ("cause", "effect", "line", "what it means", "what to do"), rows)
