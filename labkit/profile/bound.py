"""What limits a decode step: the host, the memory or the arithmetic? Its time against the least that the GPU needs for it (a roofline)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labkit.messages import LearnerMessage
from labkit.profile.units import share_text

# Operations per second of dense fp16 and bf16 matrices with fp32 sums, by the name that the driver gives a card. NVIDIA's data sheets
# print the figures of Hopper and Ada with sparsity: half of that is what dense matrices get.
PEAKS = {
    "NVIDIA H100 80GB HBM3": (989.4e12, "NVIDIA H100 data sheet (SXM): 1,979 TFLOPS with sparsity, half of it dense"),
    "NVIDIA H100 PCIe": (756.5e12, "NVIDIA H100 data sheet (PCIe): 1,513 TFLOPS with sparsity, half of it dense"),
    "NVIDIA H200": (989.4e12, "NVIDIA H200 data sheet (SXM): 1,979 TFLOPS with sparsity, half of it dense"),
    "NVIDIA A100-SXM4-40GB": (312e12, "NVIDIA A100 data sheet: 312 TFLOPS dense"),
    "NVIDIA A100-SXM4-80GB": (312e12, "NVIDIA A100 data sheet: 312 TFLOPS dense"),
    "NVIDIA A100 80GB PCIe": (312e12, "NVIDIA A100 data sheet: 312 TFLOPS dense"),
    "NVIDIA L4": (121e12, "NVIDIA L4 data sheet: 242 TFLOPS with sparsity, half of it dense"),
}
IDLE = 0.5  # a GPU that is busy for less than this share of a step waits for the host
FAR = 3  # times the floor: kernels that take longer are held up by something else


@dataclass(frozen=True)
class Floor:
    """The least time that a decode step can take, in seconds. `compute` is None where the card's peak is not known."""

    memory: float | None
    compute: float | None = None

    @property
    def seconds(self) -> float:
        """The larger of the two: a step needs both, and they overlap at best."""
        return max(self.memory or 0.0, self.compute or 0.0)


def floor(weight_bytes: float, kv_bytes: float, bandwidth: float, *, operations: float = 0, peak: float = 0) -> Floor:
    """Return the least time for reading every weight and the KV cache once, and for the arithmetic, from bytes per second and operations per second."""
    memory = (weight_bytes + kv_bytes) / bandwidth if bandwidth > 0 else None
    return Floor(memory, operations / peak if peak > 0 and operations > 0 else None)


def verdict(least: Floor, busy: float, step: float) -> str:
    """Say in one sentence, with its numbers, what limits a step of which the GPU is busy for a part; both in seconds."""
    if not busy or not step:
        return "not judged: the step launched nothing on a GPU"
    share = share_text(busy, step)
    if busy < IDLE * step:
        return f"host/launch-bound: the GPU is busy for {share} of the step and waits for its next launch during the rest"
    if least.memory is None or least.compute is None:
        return f"not judged: the GPU is busy for {share} of the step, but this card's bandwidth or peak is not known"
    word = "memory-bound" if least.memory >= least.compute else "compute-bound"
    low, high = sorted((least.memory, least.compute))
    less = "arithmetic" if word == "memory-bound" else "reading"
    far = "; its kernels are far from this limit, as small ones are" if busy > FAR * high else ""
    more = f"the floor of the {less} is {low / high:.2%} of its floor"
    return f"{word}: {more}; the GPU is busy for {share} of the step, {busy / high:.3g} times the floor{far}"


def parameters(config: Mapping[str, Any]) -> int:
    """Return how many parameters a model of this config.json has. Raises LearnerMessage for a kind of model that is not known here."""
    kind = config.get("model_type")
    try:
        if kind == "opt":
            return _opt(config)
        if kind in ("llama", "mistral"):
            return _llama(config)
    except (KeyError, TypeError) as error:
        raise LearnerMessage(
            f"config.json: {error} is missing or no number.", "Is it the config.json of the model that you profiled?"
        ) from error
    raise LearnerMessage(f"config.json: model_type is {kind!r}.", "The estimate knows llama, mistral and opt.")


def model_bytes(config: Mapping[str, Any], dtype_bytes: int) -> tuple[int, int]:
    """Return the bytes of a model's weights that a decode step reads, and those of its KV cache per token of context."""
    weights = (parameters(config) - looked_up(config)) * dtype_bytes
    heads = int(config["num_attention_heads"])
    size = int(config.get("head_dim") or int(config["hidden_size"]) // heads)
    return weights, 2 * int(config["num_hidden_layers"]) * int(config.get("num_key_value_heads") or heads) * size * dtype_bytes


def looked_up(config: Mapping[str, Any]) -> int:
    """Return how many of the parameters are in tables of which a step reads a few rows only: positions, and embeddings that the output does not share."""
    hidden = int(config["hidden_size"])
    if config.get("model_type") == "opt":
        return (int(config["max_position_embeddings"]) + 2) * hidden
    return 0 if config.get("tie_word_embeddings") else int(config["vocab_size"]) * hidden


def _llama(config: Mapping[str, Any]) -> int:
    hidden, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
    size = int(config.get("head_dim") or hidden // heads)
    queries, keys, inner = heads * size, int(config.get("num_key_value_heads") or heads) * size, int(config["intermediate_size"])
    attention = 2 * hidden * queries + 2 * hidden * keys + bool(config.get("attention_bias")) * (queries + 2 * keys + hidden)
    mlp = 3 * hidden * inner + bool(config.get("mlp_bias")) * (2 * inner + hidden)
    tables = 1 if config.get("tie_word_embeddings") else 2
    return tables * int(config["vocab_size"]) * hidden + int(config["num_hidden_layers"]) * (attention + mlp + 2 * hidden) + hidden


def _opt(config: Mapping[str, Any]) -> int:
    hidden, inner = int(config["hidden_size"]), int(config["ffn_dim"])
    layer = 4 * (hidden + 1) * hidden + (hidden + 1) * inner + (inner + 1) * hidden + 4 * hidden
    positions = int(config["max_position_embeddings"]) + 2  # OPT's table begins with two rows that no position uses
    return (int(config["vocab_size"]) + positions) * hidden + int(config["num_hidden_layers"]) * layer + 2 * hidden
