"""Inside an engine's process: choose, at any time, which build of `rotary_embedding` vLLM's operator calls.

On a CPU the switch is loaded before vLLM's library, so the linker binds that library's call to it; on CUDA it is loaded after, and
registers the operator once more. The builds stay apart: each is loaded for itself, and the switch only holds an address.
"""

import ctypes
import json
from pathlib import Path
from typing import Any

from labkit.debug.mapped import mapped


class Switch:
    """The builds of a plan, by name; see labkit.measure.build_types.BuildTypes.plan. Imports torch and vLLM's kernels.

    Raises OSError when a library is not built.
    """

    def __init__(self, plan: Path) -> None:
        told = json.loads(plan.read_text())
        self.lane: str = told["lane"]
        self._symbol: str = told["symbol"]
        early = ctypes.CDLL(told["switch"], mode=ctypes.RTLD_GLOBAL) if self.lane == "cpu" else None
        from vllm.platforms import current_platform

        current_platform.import_kernels()
        self._switch = early or _as_operators(told["switch"])
        self._switch.labkit_choose.argtypes, self._switch.labkit_called.restype = [ctypes.c_void_p], ctypes.c_long
        own = {"wheel": wheel_library()} if self.lane == "cpu" else {}
        self._addresses = {name: self._address(path) for name, path in {**own, **told["libraries"]}.items()}
        self.names = tuple(self._addresses)
        self.use(self.names[0])

    def use(self, name: str) -> None:
        """From now on the operator calls this build."""
        self._switch.labkit_choose(self._addresses[name])

    @property
    def calls(self) -> int:
        """How often the operator was called so far, whichever build it called."""
        return int(self._switch.labkit_called())

    def _address(self, path: str) -> int | None:
        library = ctypes.CDLL(path)
        if self.lane == "cpu":
            return ctypes.cast(getattr(library, self._symbol), ctypes.c_void_p).value
        library.labkit_function.restype = ctypes.c_void_p
        address: int = library.labkit_function()
        return address


def wheel_library() -> str:
    """Return the path of the library of vLLM's that is loaded in this process."""
    return next(path for path in mapped("self") if "/vllm/_C" in path)


def inputs(tokens: int, dtype: str, lane: str) -> tuple[Any, ...]:
    """Return arguments of the operator for `tokens` tokens, in the shape of SmolLM2-135M: 9 heads, 3 of them for keys, of 64 numbers."""
    import torch

    device, kind = ("cuda" if lane == "cuda" else "cpu"), getattr(torch, dtype)
    positions = torch.arange(tokens, device=device) % 2048
    query, key, table = (torch.randn(*shape, device=device, dtype=kind) for shape in ((tokens, 576), (tokens, 192), (2048, 64)))
    return positions, query, key, 64, table, True


def _as_operators(path: str) -> ctypes.CDLL:
    import torch

    torch.ops.load_library(path)
    return ctypes.CDLL(path)
