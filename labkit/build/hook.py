"""The small CMake file that goes in at vLLM's own project() command: stand-ins for GitHub, and whatever a build wants to add."""

from pathlib import Path

from labkit.build.stand_ins import stand_ins
from labkit.build.tree import cuda_environment, has_header
from labkit.lane import Lane

FUNCTIONS = Path(__file__).parent / "overlay.cmake"


def write_hook(hook: Path, tree: Path, lane: Lane, *more: str) -> Path:
    """Write the file `hook` and make the stand-ins beside it; `more` are further CMake lines. Raises OSError."""
    hook.parent.mkdir(parents=True, exist_ok=True)
    environment = [f'set(ENV{{{name}}} "{value}")' for name, value in cuda_environment(lane).items()]
    numa = [] if lane.name == "cuda" or has_header("numa.h") else ['string(APPEND CMAKE_CXX_FLAGS " -DVLLM_NUMA_DISABLED")']
    return write(hook, "\n".join([f'include("{FUNCTIONS}")', *environment, *numa, stand_ins(tree, hook.parent / "stand-in"), *more, ""]))


def write(path: Path, text: str) -> Path:
    """Write a file unless it says the same already: CMake and ninja build anew whatever is newer. Return its path. Raises OSError."""
    if not path.is_file() or path.read_text() != text:
        path.write_text(text)
    return path
