"""Visible checks of lesson 05_nsight_systems."""

from pydantic import JsonValue

from labkit.checks.profile_command import capture_command
from labkit.checks.profile_examples import EXPECTED
from labkit.checks.profile_rows import busy_percent, count, gap_us, name_in, one_of, positive, step_ms
from labkit.checks.profile_traces import LEAST_STEPS, Profiled, of_gpu, own, step_of
from labkit.checks.reading import answer_of, mapping
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
        step_ms(answer.get("step_ms"), mine.steps[1:]),
        name_in("COSTS_MOST", answer.get("costs_most"), mine.trace, mine.steps[1:]),
        count("MATMULS", answer.get("matmuls")),
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
    answer, (found, number) = answer_of(evidence, "profile-gpu-answer"), _my_step(evidence, "profile-gpu-answer")
    return [
        _has_gpu(found),
        count("KERNELS", answer.get("kernels")),
        name_in("COSTS_MOST", answer.get("costs_most"), found.trace, [found.steps[number]]),
        count("PER_LAYER", answer.get("per_layer")),
        busy_percent(answer.get("busy_percent"), found, number),
    ]


def gap(evidence: Evidence) -> list[Row]:
    """The longest time in which the GPU waits, where it is, and why."""
    answer, (found, number) = answer_of(evidence, "profile-gap-answer"), _my_step(evidence, "profile-gap-answer")
    return [
        _has_gpu(found),
        gap_us(answer.get("gap_us"), found, number),
        one_of("WHERE", answer.get("where"), ("inside", "between")),
        one_of("CAUSE", answer.get("cause"), ("cuda", "host")),
    ]


def graphs(evidence: Evidence) -> list[Row]:
    """How many calls launch one decode step, with and without CUDA graphs, and why the GPU waits with them."""
    answer = answer_of(evidence, "profile-graphs-answer")
    launches = mapping(answer.get("launches"))
    return [
        _has_gpu(of_gpu(evidence, "graphs")),
        *(count(f"LAUNCHES[{mode!r}]", launches.get(mode)) for mode in ("eager", "graphs")),
        one_of("GRAPHS_GAP", answer.get("gap"), ("cuda", "host")),
    ]


def floor(evidence: Evidence) -> list[Row]:
    """The least time of a decode step, and what bounds the eager one."""
    answer = answer_of(evidence, "profile-floor-answer")
    return [
        positive("FLOOR_US", answer.get("floor_us"), "microseconds"),
        one_of("BOUND_BY", answer.get("bound_by"), ("memory", "compute", "host")),
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


def _my_step(evidence: Evidence, answer_id: str) -> tuple[Profiled, int]:
    return of_gpu(evidence), step_of(evidence.record(answer_id).token)


def _has_gpu(found: Profiled) -> Row:
    device = found.trace.device
    return row("the profile is of", device.name if device else "no GPU", "a GPU", "Run the cell that opens it.", ok=device is not None)


CHECKS: dict[str, VisibleCheck] = {
    check.__name__: check
    for check in (capture_command, own_ranges, decode_step, launched_by, gpu_step, gap, graphs, floor, event_types)
}  # fmt: skip
