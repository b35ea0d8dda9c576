"""What the scripts of lesson 04 write, as models: a learner's machine wrote it, so shape is checked before sense."""

import json
from typing import Annotated, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from labkit.evidence import BadEvidence
from labkit.records import Record, Strict

Model = TypeVar("Model", bound=Strict)
Seconds = Annotated[float, Field(gt=0, lt=86_400)]
Timestamp = Annotated[float, Field(ge=0, lt=1e9)]  # time.monotonic(): seconds since some boot
Count = Annotated[int, Field(ge=1, le=100_000)]
Line = Annotated[int, Field(ge=1, le=1_000_000)]
Pid = Annotated[int, Field(ge=0, le=2**22)]  # pid_max of 64-bit Linux


class First(Strict):
    """Facts of the record inference-first; times in seconds, timestamps on one monotonic clock."""

    client: str
    prompt: str
    prompt_tokens: Count
    text: str
    token_ids: Annotated[list[Annotated[int, Field(ge=0, lt=1_000_000)]], Field(min_length=2, max_length=4096)]
    temperature: float
    max_tokens: Count
    ignore_eos: bool
    import_s: Seconds
    engine_s: Seconds
    scheduled_ts: Timestamp
    first_token_ts: Timestamp
    last_token_ts: Timestamp

    def phases(self) -> dict[str, float]:
        """Seconds per phase, as the lesson computes them."""
        prefill, decode = self.first_token_ts - self.scheduled_ts, self.last_token_ts - self.first_token_ts
        return {"import": self.import_s, "engine": self.engine_s, "prefill": prefill, "decode": decode}


class Process(Strict):
    """One process of a process map."""

    pid: Pid
    parent: Pid
    name: str
    rss_mib: Annotated[int, Field(ge=0)]
    threads: Count


class ProcessMap(Strict):
    """What process_map.py writes for one mode."""

    client: str
    scheduler_is_here: bool
    processes: Annotated[list[Process], Field(min_length=1, max_length=500)]

    def engine(self) -> list[Process]:
        """The processes that vLLM has named."""
        return [p for p in self.processes if p.name.startswith("VLLM::")]


class Steps(Strict):
    """Facts of the record inference-steps."""

    prompts: Annotated[list[str], Field(min_length=2, max_length=2)]
    prompt_tokens: Annotated[list[Count], Field(min_length=2, max_length=2)]
    max_tokens: Count
    generated: Annotated[list[Count], Field(min_length=2, max_length=2)]
    op: str
    steps: Annotated[list[Annotated[dict[str, Count], Field(min_length=1, max_length=2)]], Field(min_length=1, max_length=1000)]
    frames: Annotated[list[tuple[str, str, Line]], Field(max_length=500)]

    def per_request(self) -> list[int]:
        """Tokens scheduled over all steps, by request in the order of the prompts (vLLM numbers them from 0)."""
        names = sorted({name for step in self.steps for name in step}, key=lambda name: (len(name.partition("-")[0]), name))
        return [sum(step.get(name, 0) for step in self.steps) for name in names]


def read_facts(record: Record, model: type[Model], key: str = "") -> Model:
    """Read facts (or one of them) as their model. Raises BadEvidence, worded for the learner."""
    try:
        facts = json.dumps(record.facts[key] if key else record.facts)
        return TypeAdapter(model).validate_json(facts, strict=True)  # strict: True is not 1, "2" is not 2
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "facts"
        raise BadEvidence(
            f"{record.id}.json: {place}: {first['msg']}. Expected what the lesson's script writes. Run that cell again."
        ) from None
