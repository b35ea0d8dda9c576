"""Visible checks of lesson 06_exercises, part 4: batch sizes."""

from labkit.checks.batch_sweep import SWEEP, Sweep, read_sweep, settings
from labkit.checks.reading import answer_of, is_number, mapping, word_of
from labkit.evidence import Evidence
from labkit.records import Record
from labkit.rows import Row, VisibleCheck, row, still_about

ANSWER = "exercises-knee-answer"
LIMITS = ("memory", "compute", "queue", "neither")
PLACES = ("one", "full", "over")
CLOSE = 0.02  # of a rate: a learner may round


def measure_batches(evidence: Evidence) -> list[Row]:
    """Your sweep: one engine, a warm-up per size, different prompts, a known amount of work, and output tokens per second."""
    record = evidence.record(SWEEP)
    return [row("exit code", record.exit_code, 0, "Read the last lines of the run of sweep.py."), *sweep_rows(record, read_sweep(record))]


def sweep_rows(record: Record, sweep: Sweep) -> list[Row]:
    """What a learner may know about the sweep: the rows that both exercises start from."""
    wanted = sweep.wanted()
    own = settings(record.token, record.lane, 0)
    same = {name: value for name, value in wanted.items() if name != "parameters"} == {k: v for k, v in own.items() if k != "parameters"}
    return [
        row("settings", "yours" if same else "other ones", "yours", "Run the cell that runs sweep.py again, with batches.settings(lab, model)."),
        row("sizes with samples", sweep.sizes(), own["sizes"], "Measure every size of the settings."),
        row("engines started", sweep.engines, 1, "An engine per batch size: its start costs more than the sweep. Start one, before all sizes."),
        *_prompts(sweep),
        *_work(sweep, own["prompt_tokens"], own["output_tokens"]),
        *_repeats(sweep, own["repeats"]),
        rate_row(sweep),
    ]  # fmt: skip


def _prompts(sweep: Sweep) -> list[Row]:
    asked = [prompt for call in sweep.calls for prompt in call.prompts]
    step = (
        "Identical prompts: a prefix cache could answer for them. Gap 1: does the key depend on the size, the run and the prompt's number?"
    )
    return [row("different prompts", f"{len(set(asked))} of {len(asked)}", f"{len(asked)} of {len(asked)}", step)]


def _work(sweep: Sweep, prompt: int, output: int) -> list[Row]:
    prompts = sorted({n for call in sweep.calls for n in call.prompt_tokens})
    outputs = sorted({n for call in sweep.calls for n in call.output_tokens})
    heat = sorted({call.temperature for call in sweep.calls})
    early = "Lengths differ: the end-of-text token stops a request early. Gap 2: tell the sampler to ignore it."
    return [
        row("tokens per prompt", prompts, [prompt], "Gap 1: random_prompt(key, tokens) makes a prompt of the asked length."),
        row("tokens per answer", outputs, [output], early),
        row("temperature", heat, [0.0], "Gap 2: which temperature makes sampling greedy, so that each repeat does the same?"),
    ]


def _repeats(sweep: Sweep, repeats: int) -> list[Row]:
    timed = sorted({len(samples) for samples in sweep.samples.values()})
    untimed = min(len(sweep.of(size)) - len(sweep.samples[str(size)]) for size in sweep.sizes())
    return [
        row("timed repeats per size", timed, [repeats], "Did the warm-up get into the samples? Only the loop in measure() adds to them."),
        row("runs before them", untimed, "1 or more", "No warm-up: the first run of a size pays what later ones do not. Gap 4.", ok=untimed >= 1),
    ]  # fmt: skip


def rate_row(sweep: Sweep) -> Row:
    """A row that is ok when each sample's throughput is output tokens over seconds; otherwise it names what was divided."""
    wrong = ""
    for size in sweep.sizes():
        for call, (seconds, rate) in zip(sweep.timed(size), sweep.samples[str(size)], strict=True):
            wrong = wrong or _misread(rate * seconds, size, sum(call.output_tokens), sum(call.prompt_tokens))
    return row("throughput", "output tokens per second" if not wrong else "something else", "output tokens per second", wrong)


def _misread(amount: float, requests: int, output: int, prompt: int) -> str:
    """Say what an amount is that should be the number of output tokens, "" when it is."""
    known = {
        prompt: "Those are the tokens of the prompts. Gap 3: count what was generated.",
        output + prompt: "Tokens of the prompt are counted as output. Gap 3: only what was generated.",
        requests: "That is requests per second: it falls when answers get longer. Gap 3: count the tokens.",
        output: "",  # last: where two are the same number, this one counts
    }
    for value, message in known.items():
        if abs(amount - value) <= CLOSE * value:
            return message
    return "Gap 3: add up the tokens of all outputs and divide by the seconds."


def knee(evidence: Evidence) -> list[Row]:
    """The knee of your curve, how much longer a step becomes, and what limits it at three places."""
    record = evidence.record(SWEEP)
    sweep = read_sweep(record)
    sound = all(r.ok for r in sweep_rows(record, sweep))
    answer = answer_of(evidence, ANSWER)
    size, growth, limits = answer.get("knee"), answer.get("growth"), mapping(answer.get("limits"))
    named = sorted(limits) == sorted(PLACES) and all(word_of(limit, LIMITS) for limit in limits.values())
    return [
        row("sweep", "in order" if sound else "not in order", "in order", "Solve the exercise before this one first: its check says what is missing."),
        still_about(evidence, ANSWER, SWEEP),
        row("KNEE", size, f"a whole number, one of your sizes: {sweep.sizes()}", "One of the sizes of your sweep.", ok=type(size) is int and size in sweep.sizes()),
        row("GROWTH", growth, "a positive number", "Divide two times of the column 'step'.", ok=is_number(growth) and float(str(growth)) > 0),
        row("LIMITS", limits, f"for {', '.join(PLACES)}: one of {', '.join(LIMITS)}", 'Write {"one": "…", "full": "…", "over": "…"}.', ok=named),
    ]  # fmt: skip


CHECKS: dict[str, VisibleCheck] = {"measure_batches": measure_batches, "knee": knee}
