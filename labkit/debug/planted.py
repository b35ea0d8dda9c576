"""Plants a failure into the text of vLLM's cache_kernels.cu."""

from labkit import pins
from labkit.checks.cuda_plants import AFTER, SOURCE, Plant
from labkit.messages import LearnerMessage


def planted(text: str, plant: Plant) -> str:
    """Return the text of SOURCE with the failure in it. Raises LearnerMessage when the text is not the pinned vLLM's."""
    lines = text.splitlines(keepends=True)
    after = plant.variant.after
    if len(lines) < after or lines[after - 1].rstrip("\n") != AFTER[after]:
        raise LearnerMessage(f"{SOURCE} is not as vLLM {pins.VLLM} ships it.", "Restore it: `workshop.restore(overlay)`.")
    return "".join([*lines[:after], plant.statement + "\n", *lines[after:]])
