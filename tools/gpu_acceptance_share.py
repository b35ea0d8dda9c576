"""A plugin for vLLM that lets several engines share one GPU, while lessons run side by side.

By default an engine takes 92 % of a GPU's memory, so a second one does not start. The lessons are right not to say otherwise: a learner runs one
at a time. The plugin, which vLLM loads by an entry point (`vllm.general_plugins`), gives an engine that says nothing a small share; one that
asks for a share, or for a pool of a certain size, gets what it asks for.
"""

import importlib
from pathlib import Path
from typing import Any

SHARE = 0.1  # of the GPU's memory must be free when an engine starts
POOL_BYTES = 2**30  # for the KV cache
PLUGIN = "course_shares_the_gpu"


def share_the_gpu() -> None:
    """Change what an engine of this process gets that asks for nothing. Once is enough, twice does no harm."""
    engine_args: Any = importlib.import_module("vllm.engine.arg_utils").EngineArgs
    make, usual = engine_args.create_engine_config, engine_args.gpu_memory_utilization
    if getattr(make, "shares", False):
        return

    def create_engine_config(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.gpu_memory_utilization == usual and self.kv_cache_memory_bytes is None:
            self.gpu_memory_utilization, self.kv_cache_memory_bytes = SHARE, POOL_BYTES
        return make(self, *args, **kwargs)

    create_engine_config.shares = True  # type: ignore[attr-defined]
    engine_args.create_engine_config = create_engine_config


def advertise(folder: Path) -> Path:
    """Write what Python's importlib.metadata finds the plugin by into a folder for PYTHONPATH, and return the folder."""
    described = folder / f"{PLUGIN}-0.dist-info"
    described.mkdir(parents=True, exist_ok=True)
    (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PLUGIN}\nVersion: 0\n")
    (described / "entry_points.txt").write_text(f"[vllm.general_plugins]\n{PLUGIN} = {__name__}:{share_the_gpu.__name__}\n")
    return folder
