"""The map of vLLM's V1 engine from `LLM.generate` down to an op, and its comparison with a recorded stack.

Each stop is a `path:symbol` of vLLM 0.32.0, found in its sdist and seen in a recorded stack on the CPU lane; the three stops
that differ on the CUDA lane are read from the same source.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from labkit.lane import LaneName


@dataclass(frozen=True)
class Stop:
    """One place on the way: a file of vLLM, a qualified name in it, and what happens there."""

    path: str
    symbol: str
    what: str


FRONT = (
    Stop("vllm/entrypoints/llm.py", "LLM.generate", "your call"),
    Stop("vllm/entrypoints/common/offline.py", "OfflineInferenceMixin._run_engine", "the loop: step until every request is finished"),
    Stop("vllm/v1/engine/llm_engine.py", "LLMEngine.step", "front end: get output, turn it into text"),
    Stop("vllm/v1/engine/core_client.py", "InprocClient.get_output", "hand-over to the core, in this process"),
)
CORE = (
    Stop("vllm/v1/engine/core.py", "EngineCore.step", "schedule, run the model, sample, update"),
    Stop("vllm/v1/executor/uniproc_executor.py", "UniProcExecutor.execute_model", "one worker, in this process"),
    Stop("vllm/v1/worker/gpu_worker.py", "Worker.execute_model", "the worker (a CPU worker inherits it)"),
)
LAYER = Stop("vllm/model_executor/layers/attention/attention.py", "Attention.forward", "one attention layer of the model")
OPS: dict[LaneName, tuple[Stop, ...]] = {
    "cpu": (
        Stop("vllm/v1/worker/gpu_model_runner.py", "GPUModelRunner.execute_model", "prepares the batch and calls the model"),
        LAYER,
        Stop(
            "vllm/model_executor/layers/attention/attention.py",
            "unified_attention_with_output",
            "an op written in Python, called by the dispatcher",
        ),
        Stop("vllm/v1/attention/backends/cpu_attn.py", "CPUAttentionBackendImpl.forward", "calls cpu_attention_with_kv_cache, in C++"),
    ),
    "cuda": (
        Stop("vllm/v1/worker/gpu/model_runner.py", "GPUModelRunner.execute_model", "prepares the batch and calls the model"),
        LAYER,
        Stop(
            "vllm/model_executor/layers/attention/attention.py",
            "unified_kv_cache_update",
            "an op written in Python, called by the dispatcher",
        ),
        Stop("vllm/v1/attention/backends/flash_attn.py", "FlashAttentionImpl.do_kv_cache_update", "calls reshape_and_cache_flash, in C++"),
    ),
}


def map_of(lane: LaneName) -> tuple[Stop, ...]:
    """Return the stops of a lane, outermost first."""
    return FRONT + CORE + OPS[lane]


def follow(stops: Sequence[Stop], frames: Sequence[Sequence[object]]) -> list[tuple[Stop, int | None]]:
    """Find each stop in a recorded stack and return it with its line, None for a stop that is not on the way.

    `frames` are [path, qualified name, line], innermost first. A stop counts only when it lies further in than the one before it.
    """
    outward = [tuple(frame) for frame in reversed(frames) if len(frame) == 3]
    found: list[tuple[Stop, int | None]] = []
    position = 0
    for stop in stops:
        here = next((i for i in range(position, len(outward)) if outward[i][:2] == (stop.path, stop.symbol)), None)
        line = outward[here][2] if here is not None else None
        found.append((stop, line if isinstance(line, int) else None))
        position = position if here is None else here + 1
    return found
