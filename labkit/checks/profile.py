"""Visible checks of lesson 05_nsight_systems."""

from pydantic import JsonValue

from labkit.checks.profile_command import capture_command
from labkit.checks.profile_examples import EXPECTED
from labkit.checks.profile_traces import LEAST_STEPS, of_gpu, own
from labkit.checks.reading import answer_of, is_number, mapping, word_of
from labkit.evidence import Evidence
from labkit.learner import word
from labkit.rows import Row, VisibleCheck, example_row, row, still_about
from labkit.trace.analysis import launched_by as work_of
from labkit.trace.analysis import ops_in

EVENTS = frozenset("abcdef")
ONE_RANGE = "The gap in marked_step: a range called `name` around each step, and one step per call. Take out the last line, the step without a range."


def own_ranges(evidence: Evidence) -> list[Row]:
    """A profile of your own request, with a range of yours around each step."""
    record, mine = own(evidence)
    ids = mine.facts.get("token_ids")
    tokens = len(ids) if isinstance(ids, list) else 0
    inside = [len(work_of(mine.trace, span)) + len(ops_in(mine.trace, span)) for span in mine.steps]
    return [
        row("exit code", record.exit_code, 0, "Read the last lines of the run; the log is in work/05_nsight_systems/logs."),
        row(
            "label",
            mine.label,
            word(record.token, "profile label"),
            "Run the second cell of the lesson again (it sets `label`), then the run.",
        ),
        row("tokens generated", tokens, f"at least {LEAST_STEPS}", "Set MAX_TOKENS back to 12.", ok=tokens >= LEAST_STEPS),
        row("ranges of yours", len(mine.steps), tokens, ONE_RANGE),
        row(
            "events in the emptiest range",
            min(inside, default=0),
            "at least 1",
            "Is the step inside the `with`?",
            ok=min(inside, default=0) > 0,
        ),
    ]


def decode_step(evidence: Evidence) -> list[Row]:
    """Time per decode step, what costs most in it, and its matrix multiplications."""
    answer, (_, mine) = answer_of(evidence, "profile-step-answer"), own(evidence)
    return [
        still_about(evidence, "profile-step-answer", "profile-trace"),
        row(
            "steps in your trace",
            len(mine.steps),
            f"at least {LEAST_STEPS}",
            "First mark each step (step 2).",
            ok=len(mine.steps) >= LEAST_STEPS,
        ),
        _positive("STEP_MS", answer.get("step_ms"), "milliseconds"),
        _name("COSTS_MOST", answer.get("costs_most")),
        _count("MATMULS", answer.get("matmuls")),
    ]


def launched_by(evidence: Evidence) -> list[Row]:
    """Your function returns the kernels that a range launched, in three small traces."""
    answer = evidence.record("profile-launched-examples").facts.get("answer")
    given: list[JsonValue] = list(answer) if isinstance(answer, list) else []
    given += [None] * (len(EXPECTED) - len(given))
    what = ("runs late, and launched before", "two processes", "a graph, another thread, a call that ends too late")
    return [
        example_row(f"example {number}: {name}", seen, list(ids), _launched_advice(seen, ids))
        for number, (name, seen, ids) in enumerate(zip(what, given, EXPECTED, strict=False), 1)
    ]


def gpu_step(evidence: Evidence) -> list[Row]:
    """What one decode step asks of the GPU."""
    answer = answer_of(evidence, "profile-gpu-answer")
    percent = answer.get("busy_percent")
    return [
        _has_gpu(evidence),
        _count("KERNELS", answer.get("kernels")),
        _name("COSTS_MOST", answer.get("costs_most")),
        _count("PER_LAYER", answer.get("per_layer")),
        row(
            "BUSY_PERCENT",
            percent,
            "a number from 0 to 100",
            "In percent, not as a fraction.",
            ok=is_number(percent) and 0 <= float(str(percent)) <= 100,
        ),
    ]


def gap(evidence: Evidence) -> list[Row]:
    """The longest time in which the GPU waits, where it is, and why."""
    answer = answer_of(evidence, "profile-gap-answer")
    return [
        _has_gpu(evidence),
        _positive("GAP_US", answer.get("gap_us"), "microseconds"),
        _one_of("WHERE", answer.get("where"), ("inside", "between")),
        _one_of("CAUSE", answer.get("cause"), ("cuda", "host")),
    ]


def graphs(evidence: Evidence) -> list[Row]:
    """How many calls launch one decode step, with and without CUDA graphs, and why the GPU waits with them."""
    answer = answer_of(evidence, "profile-graphs-answer")
    launches = mapping(answer.get("launches"))
    return [
        _has_gpu(evidence, "graphs"),
        *(_count(f"LAUNCHES[{mode!r}]", launches.get(mode)) for mode in ("eager", "graphs")),
        _one_of("GRAPHS_GAP", answer.get("gap"), ("cuda", "host")),
    ]


def floor(evidence: Evidence) -> list[Row]:
    """The least time of a decode step, and what bounds the eager one."""
    answer = answer_of(evidence, "profile-floor-answer")
    return [
        _positive("FLOOR_US", answer.get("floor_us"), "microseconds"),
        _one_of("BOUND_BY", answer.get("bound_by"), ("memory", "compute", "host")),
    ]


def event_types(evidence: Evidence) -> list[Row]:
    """What Nsight Systems can trace."""
    answer = evidence.record("profile-events-answer").facts.get("answer")
    chosen = letters(answer)
    good = bool(chosen) and chosen <= EVENTS
    return [row("letters", sorted(chosen) if good else answer, "some of a to f", 'Write a set of letters: {"a", …}.', ok=good)]


def _launched_advice(seen: object, ids: list[int]) -> str:
    if isinstance(seen, list) and all(type(ident) is int for ident in seen) and sorted(seen) == ids:
        return "The right ones: in ascending order?"
    return "Who called for it? The kernel's own time does not say."


def letters(answer: object) -> set[str]:
    """Return the letters of an answer, in lower case, whether given as {"b", "d"}, ["B", "D"], "bd" or "b, d"; of anything else none."""
    if isinstance(answer, str):
        answer = list(answer.replace(",", "").replace(" ", ""))
    return {str(letter).strip().lower() for letter in answer} if isinstance(answer, list) else set()


def _has_gpu(evidence: Evidence, mode: str = "eager") -> Row:
    device = of_gpu(evidence, mode).trace.device
    return row("the profile is of", device.name if device else "no GPU", "a GPU", "Run the cell that opens it.", ok=device is not None)


def _positive(name: str, value: object, unit: str) -> Row:
    return row(
        name, value, f"a positive number of {unit}", "Compute it, or read it from the table.", ok=is_number(value) and float(str(value)) > 0
    )


def _count(name: str, value: object) -> Row:
    whole = is_number(value) and float(str(value)).is_integer()  # 1331 / 11 is 121.0
    return row(name, value, "a whole number", "Read it from the table.", ok=whole and 0 < float(str(value)) < 10**9)


def _name(name: str, value: object) -> Row:
    return row(name, value, "a name, as the table spells it", "Write it in quotes.", ok=isinstance(value, str) and bool(value.strip()))


def _one_of(name: str, value: object, words: tuple[str, ...]) -> Row:
    return row(
        name,
        value,
        f"one of {', '.join(words)}",
        "One of these words, in quotes.",
        ok=bool(word_of(value, words)),
    )


CHECKS: dict[str, VisibleCheck] = {
    check.__name__: check
    for check in (capture_command, own_ranges, decode_step, launched_by, gpu_step, gap, graphs, floor, event_types)
}  # fmt: skip
