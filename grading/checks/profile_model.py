"""What a decode step of the packaged model must look like in a trace. Other models may fuse more, or less, and are not asked."""

from collections import Counter
from collections.abc import Sequence

from labkit.rows import Row, row
from labkit.trace.model import Op, Work

PACKAGED = "smollm2"  # in the path of the model that the command names
AGAIN = "Run the cell that profiles once more, and do not edit what it records."
LENGTHS = 3  # that a kernel or operator which is called once per layer has at least, in one step


def like_a_decode_step(command: Sequence[str], layers: int, roles: Sequence[Counter[str]], last: Sequence[Work | Op]) -> list[Row]:
    """Rows about what decode steps are made of: how many kernels or operators of each role a step has, and those of the last step themselves.

    Four products per layer (QKV, output, gate and up, down) and one for the logits; keys and values are written once per layer.
    """
    if not any(PACKAGED in part for part in command):
        return []
    products = sorted({sum(count for found, count in step.items() if found.startswith("GEMM")) for step in roles})
    writes = min(step["KV cache write"] for step in roles)
    lengths = _lengths_of_the_most_frequent(last)
    return [
        row("matrix multiplications in a decode step", products, [4 * layers + 1], AGAIN),
        row("writes into the KV cache", writes, f"at least {layers}", AGAIN, ok=writes >= layers),
        row("lengths of one kernel", lengths, f"at least {LENGTHS}, as all real ones vary", AGAIN, ok=lengths >= LENGTHS),
    ]


def _lengths_of_the_most_frequent(events: Sequence[Work | Op]) -> int:
    lengths: dict[str, list[int]] = {}
    for event in events:
        lengths.setdefault(event.name, []).append(event.end - event.start)
    return max((len(found), len(set(found))) for found in lengths.values())[1] if lengths else 0
