"""Puts an overlay under vLLM, in every Python process whose PYTHONPATH names this folder and whose VLLM_OVERLAY says what and where.

VLLM_OVERLAY is "<module>=<file>": the compiled module of vLLM's that the function belongs to, and the overlay's library. Python imports
`sitecustomize` at its start, in the engine's child processes as well. Nothing happens until vLLM asks for that module. On a CPU the overlay goes in *before* that library and becomes visible to all (RTLD_GLOBAL): the linker takes
the first definition it finds. On CUDA vLLM's functions are hidden in their library, so the overlay goes in *after* it and registers its
operator once more: torch's dispatcher takes the last.
"""

import os
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

MODULE, _, LIBRARY = os.environ.get("VLLM_OVERLAY", "").partition("=")
HIDES_ITS_FUNCTIONS = MODULE.endswith("_stable_libtorch")


def load(how: Callable[[str], object]) -> None:
    """Load the overlay, and say so on standard error. One that cannot be loaded ends the process."""
    name = LIBRARY.rpartition("/")[2]
    try:
        how(LIBRARY)
    except OSError as error:
        sys.exit(f"overlay {name} cannot be loaded: {error}. Build it again, for the vLLM and torch that run here.")
    sys.stderr.write(f"overlay {name} is loaded in process {os.getpid()}\n")


def globally(path: str) -> None:
    """Load a library so that its functions come before those of all libraries that are loaded later."""
    import ctypes

    ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)


def as_operators(path: str) -> None:
    """Load a library that registers operators with torch."""
    import torch

    torch.ops.load_library(path)


class Then(Loader):
    """A loader that loads what it stands for, and then the overlay."""

    def __init__(self, loader: Loader) -> None:
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """As the loader that it stands for."""
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """As the loader that it stands for, and then the overlay."""
        self.loader.exec_module(module)
        load(as_operators)


class Watch:
    """A finder that finds nothing itself: it waits for the module of vLLM's that the overlay belongs to."""

    def find_spec(self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None) -> ModuleSpec | None:
        """Load the overlay before the module, or have it loaded after it."""
        if name != MODULE:
            return None
        sys.meta_path.remove(self)
        if not HIDES_ITS_FUNCTIONS:
            load(globally)
            return None
        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader = Then(spec.loader)
        return spec


if LIBRARY:
    sys.meta_path.insert(0, Watch())
