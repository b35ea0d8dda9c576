"""The sweep over batch sizes of lesson 06, as data: what the script writes, and every number that is read from it.

Standard library and pydantic only: the notebook shows these numbers, the grader computes them again from the same raw samples.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from labkit.evidence import BadEvidence
from labkit.learner import pick, word
from labkit.records import Record, Strict
from labkit.spread import Spread, percentile, spread

SWEEP = "exercises-sweep"
LINEAR_SHARE = 0.7  # of ideal linear scaling: what a size must reach, and all smaller ones, to lie before the knee
FAR = 3.0  # times the larger floor: such a step is held up by something else (labkit.profile.bound uses the same factor)
# Sizes per lane, with the learner's own in the middle; the last one is twice max_num_seqs.
LANES: Mapping[str, Mapping[str, Any]] = {
    "cpu": {"before": [1, 2], "own": [3, 4, 5, 6, 7], "after": [8, 16, 32], "prompt_tokens": 10, "output_tokens": 8, "matrix": [16384, 4096, 256]},
    "cuda": {
        "before": [1, 4], "own": [12, 16, 20, 24, 28], "after": [64, 128, 256, 512], "prompt_tokens": 24, "output_tokens": 32,
        "matrix": [65536, 8192, 8192],
    },
}  # fmt: skip
REPEATS = 3

Seconds = Annotated[float, Field(ge=0, lt=86_400)]
Positive = Annotated[float, Field(gt=0, lt=1e18)]
Count = Annotated[int, Field(ge=0, le=100_000)]
Size = Annotated[int, Field(ge=1, le=1024)]


class Call(Strict):
    """One call of LLM.generate. Stamps: queued, scheduled, first token, last token, in seconds since the first request was queued."""

    size: Size
    seconds: Annotated[float, Field(gt=0, lt=86_400)]
    temperature: float
    stamps: Annotated[list[tuple[Seconds, Seconds, Seconds, Seconds]], Field(min_length=1, max_length=1024)]
    prompts: Annotated[list[Annotated[str, Field(max_length=64)]], Field(min_length=1, max_length=1024)]
    prompt_tokens: Annotated[list[Count], Field(min_length=1, max_length=1024)]
    output_tokens: Annotated[list[Count], Field(min_length=1, max_length=1024)]


class Machine(Strict):
    """What a decode step needs, as measured: weights read per second (bytes), and operations per second."""

    bytes_per_s: Positive
    operations_per_s: Positive


class Sweep(Strict):
    """Facts of the record exercises-sweep. `samples`: by size, [seconds, tokens per second] of each repeat, as the learner's lines gave them."""

    settings: Annotated[str, Field(max_length=4096)]
    samples: Annotated[
        dict[str, Annotated[list[tuple[Annotated[float, Field(gt=0, lt=86_400)], Positive]], Field(min_length=1, max_length=50)]],
        Field(min_length=2, max_length=20),
    ]
    engines: Count
    calls: Annotated[list[Call], Field(min_length=2, max_length=400)]
    bytes_per_parameter: Annotated[int, Field(ge=1, le=8)]
    machine: Machine

    def wanted(self) -> dict[str, Any]:
        """The settings that the script was given, {} when they are no JSON object."""
        try:
            found = json.loads(self.settings)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def sizes(self) -> list[int]:
        """The batch sizes that have samples, ascending."""
        return sorted(int(size) for size in self.samples if size.isdecimal() and len(size) < 6)

    def of(self, size: int) -> list[Call]:
        """All calls of a size, in their order."""
        return [call for call in self.calls if call.size == size]

    def timed(self, size: int) -> list[Call]:
        """The last calls of a size, as many as there are samples: what came before them was warm-up."""
        return self.of(size)[-len(self.samples[str(size)]) :]


@dataclass(frozen=True)
class Point:
    """What the timed repeats of one batch size say; times in seconds."""

    size: int
    rate: Spread  # output tokens per second
    step: float  # the median time between two tokens of a request
    first_token: tuple[float, float]  # median and 95th percentile, from the time when the request was queued
    waited: int  # requests that were only scheduled after another one had its first token


def settings(token: str, lane: str, parameters: int) -> dict[str, Any]:
    """Return what the script is asked to measure; the seed and one of the sizes follow from the learner's token."""
    given = LANES[lane]
    own = given["own"][pick(token, "batch size", len(given["own"]))]
    sizes = [*given["before"], own, *given["after"]]
    top = sizes[-1] // 2
    graphs = {"mode": 0, "cudagraph_mode": "FULL_DECODE_ONLY", "cudagraph_capture_sizes": [size for size in sizes if size <= top]}
    return {
        "seed": word(token, "batch prompts"), "sizes": sizes, "repeats": REPEATS, "parameters": parameters, "matrix": given["matrix"],
        "prompt_tokens": given["prompt_tokens"], "output_tokens": given["output_tokens"],
        "options": {"max_num_seqs": top} | ({"compilation_config": graphs} if lane == "cuda" else {"enforce_eager": True}),
    }  # fmt: skip


def read_sweep(record: Record) -> Sweep:
    """Read the facts of a sweep. Raises BadEvidence, worded for the learner."""
    try:
        sweep = TypeAdapter(Sweep).validate_json(json.dumps(record.facts), strict=True)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "facts"
        raise BadEvidence(f"{record.id}.json: {place}: {first['msg']}. Expected what sweep.py writes. Run that cell again.") from None
    uneven = [c for c in sweep.calls if not c.size == len(c.stamps) == len(c.prompts) == len(c.prompt_tokens) == len(c.output_tokens)]
    empty = [size for size in sweep.samples if size not in map(str, sweep.sizes()) or not sweep.of(int(size))]
    if uneven or empty or any(len(sweep.of(size)) < len(sweep.samples[str(size)]) for size in sweep.sizes()):
        raise BadEvidence(f"{record.id}.json: calls and batch sizes do not fit. Expected what sweep.py writes. Run that cell again.")
    return sweep


def points(sweep: Sweep) -> list[Point]:
    """Return one point per batch size, ascending, computed from the seconds and the tokens of each timed repeat."""
    return [_point(sweep, size) for size in sweep.sizes()]


def _point(sweep: Sweep, size: int) -> Point:
    calls, samples = sweep.timed(size), sweep.samples[str(size)]
    rates = [sum(call.output_tokens) / seconds for call, (seconds, _) in zip(calls, samples, strict=True)]
    steps = [(s[3] - s[2]) / (n - 1) for call in calls for s, n in zip(call.stamps, call.output_tokens, strict=True) if n > 1]
    first = [s[2] - s[0] for call in calls for s in call.stamps]
    waited = [sum(s[1] >= min(t[2] for t in call.stamps) for s in call.stamps) for call in calls]
    return Point(size, spread(rates), median(steps or [0.0]), (median(first), percentile(first, 95)), int(median(waited)))


def linear_shares(found: Sequence[Point]) -> dict[int, float]:
    """Return, by size, which part of ideal linear scaling its median throughput reaches: 1.0 is as many tokens/s per request as the smallest size."""
    one = found[0].rate.median / found[0].size
    return {p.size: p.rate.median / (p.size * one) if one else 0.0 for p in found}


def knee(found: Sequence[Point]) -> int:
    """Return the largest size that reaches LINEAR_SHARE of linear scaling and before which all smaller ones do."""
    best = found[0].size
    for size, share in linear_shares(found).items():
        if share < LINEAR_SHARE:
            break
        best = size
    return best


def floors(sweep: Sweep, size: int) -> tuple[float, float]:
    """Return the least seconds of a decode step: for reading every weight once, and for two operations per weight and request."""
    parameters = sweep.wanted().get("parameters")
    count = parameters if isinstance(parameters, int) and 0 < parameters < 10**13 else 0
    return count * sweep.bytes_per_parameter / sweep.machine.bytes_per_s, 2.0 * count * size / sweep.machine.operations_per_s


def limit(sweep: Sweep, point: Point) -> str:
    """Return what limits throughput at a point: "queue", "neither", "memory" or "compute", by the rule that the lesson states."""
    memory, compute = floors(sweep, min(point.size, sweep.wanted().get("options", {}).get("max_num_seqs", point.size)))
    if point.waited:
        return "queue"
    if point.step > FAR * max(memory, compute):
        return "neither"
    return "memory" if memory >= compute else "compute"


def ridge(sweep: Sweep) -> float:
    """Return the batch size at which both floors are equal: it depends on the machine and on bytes per weight, not on the model."""
    return sweep.bytes_per_parameter * sweep.machine.operations_per_s / (2 * sweep.machine.bytes_per_s)
