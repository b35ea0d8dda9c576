"""Whether a trace can be what was recorded of a run: it agrees with itself, with the run's own clock, and with the machine."""

from collections import Counter
from itertools import pairwise
from typing import Any

from grading.checks.profile_model import like_a_decode_step
from labkit.checks.profile_traces import LEAST_STEPS, Profiled
from labkit.checks.reading import is_number
from labkit.learner import word
from labkit.records import Record
from labkit.rows import Row, row
from labkit.trace.analysis import NAME, busy, launched_by, launches, ops_in, steps, within
from labkit.trace.kept import kept
from labkit.trace.model import Range, Trace
from labkit.trace.names import role

AGAIN = "Run the cell that profiles once more, and do not edit what it records."
SLOWER = 1.05  # the script's clock is read outside the range
SLACK_NS = 300_000
ATTENTION_OP = "vllm::unified_attention_with_output"  # called once per layer: vllm/model_executor/layers/attention
ENGINE_RANGE = "llm_engine step: get_output"  # vllm/v1/engine/llm_engine.py:LLMEngine.step opens it
ALIKE = 1.25  # the most that decode steps of one request may differ in launches or operators
JOINED = 0.99


def consistent(record: Record, mine: Profiled) -> list[Row]:
    """Rows that fail for a trace that was trimmed, made up, or recorded of another run or machine."""
    if len(mine.steps) < LEAST_STEPS:
        return [row("steps in the trace", len(mine.steps), f"at least {LEAST_STEPS}", AGAIN, ok=False)]
    device = (
        _on_gpu(record, mine)
        if mine.trace.work
        else _on_cpu(mine.trace, mine.label, tuple(record.command), record.lane, layers_of(mine.facts))
    )
    return [*_is_that_run(record, mine), *_clock(record, mine, mine.steps), *device]


def replayed(found: Profiled) -> list[Row]:
    """Rows about a profile of the graphs mode: each decode step replays one CUDA graph, node by node."""
    replays = {sum("GraphLaunch" in call.name for call in launches(found.trace, span)) for span in found.steps[1:]}
    inside = min((sum(work.node != 0 for work in launched_by(found.trace, span)) for span in found.steps[1:]), default=0)
    return [
        row("mode of the second profile", found.facts.get("mode"), "graphs", "Run the cell of step 6."),
        row("graphs launched in a decode step", sorted(replays), [1], "Run the cell of step 6."),
        row("kernels inside the graph", inside, "at least 1", "Is --cuda-graph-trace=node in force?", ok=inside > 0),
    ]


def _is_that_run(record: Record, mine: Profiled) -> list[Row]:
    prompt = str(mine.facts.get("prompt", ""))
    words = [word(record.token, "first word"), word(record.token, "second word")]
    asked = {"profiled.py", "eager", mine.label, prompt} - set(record.command)
    own = [span for span in mine.trace.ranges if span.name == ENGINE_RANGE]
    inside, marked = sum(bool(within(own, span)) for span in mine.steps), len(mine.steps)
    return [
        row("command", f"without {sorted(asked)}" if asked else "as the lesson runs it", "as the lesson runs it", AGAIN, ok=not asked),
        row("words of yours in the prompt", [w for w in words if w in prompt], words, AGAIN),
        row("mode", mine.facts.get("mode"), "eager", AGAIN),
        row("the engine's own range", f"in {inside} of {marked} steps", f"in {marked} of {marked} steps", AGAIN),
    ]


def _clock(record: Record, mine: Profiled, spans: list[Range]) -> list[Row]:
    seconds = mine.facts.get("seconds")
    times = [float(s) for s in seconds if is_number(s)] if isinstance(seconds, list) else []
    fits = len(times) == len(spans) and all(_same_time(span.end - span.start, s * 1e9) for span, s in zip(spans, times, strict=False))
    apart = all(before.end <= after.start for before, after in pairwise(spans))
    one = len({span.thread for span in spans}) == 1
    return [
        row("order of the steps", "in order, apart, on one thread" if apart and one else "mixed", "in order, apart, on one thread", AGAIN),
        row("the script's own clock", "agrees with the ranges" if fits else "differs from the ranges", "agrees with the ranges", AGAIN),
        row("time of the run", sum(times) < record.seconds, True, AGAIN),
    ]


def _same_time(in_trace: int, by_script: float) -> bool:
    """The range lies within what the script measured, and fills it."""
    return in_trace <= by_script * SLOWER + SLACK_NS and by_script <= in_trace * SLOWER + SLACK_NS


def _on_gpu(record: Record, mine: Profiled) -> list[Row]:
    trace, spans, layers = mine.trace, mine.steps, layers_of(mine.facts)
    work = [[item for item in launched_by(trace, span) if item.kind == "kernel"] for span in spans]
    roles = [_roles(Counter(item.name for item in step)) for step in work]
    attention, joined = min(step["attention"] for step in roles), _joined(trace, spans)
    by_nsys = not trace.tool.startswith("nsys") or any(part.endswith("nsys") for part in record.command)
    return [
        row("profiler", trace.tool if by_nsys else "nsys, which is not in the command", trace.tool, AGAIN),
        row("device", trace.device.name if trace.device else None, record.machine.gpu, AGAIN),
        row("launches that led to work", f"{joined:.1%}", "all", AGAIN, ok=joined >= JOINED),
        row("work after its launch", _causal(trace), True, AGAIN),
        row("time on the GPU", all(busy(step) <= s.end - s.start + SLACK_NS for step, s in zip(work, spans, strict=True)), True, AGAIN),
        _alike("kernels", [len(step) for step in work][1:]),
        row("attention kernels in a step", attention, f"at least {layers}, one for each layer", AGAIN, ok=attention >= layers > 0),
        *like_a_decode_step(record.command, layers, roles[1:], work[-1]),
    ]


@kept  # two checks ask
def _on_cpu(trace: Trace, label: str, command: tuple[str, ...], lane: str, layers: int) -> list[Row]:
    inside = [ops_in(trace, span) for span in steps(trace, label)]
    names = [Counter(map(NAME, ops)) for ops in inside]  # once per operator, what follows once per name
    attention = {step[ATTENTION_OP] for step in names}
    return [
        row("lane without GPU work", lane, "cpu", "On the cuda lane the trace must hold GPU work."),
        _alike("operators", [len(ops) for ops in inside][1:]),
        row("attention operators in a step", sorted(attention), [layers], AGAIN),
        *like_a_decode_step(command, layers, [_roles(step) for step in names[1:]], inside[-1]),
    ]


def _roles(names: Counter[str]) -> Counter[str]:
    roles: Counter[str] = Counter()
    for name, count in names.items():
        roles[role(name)] += count
    return roles


def _alike(what: str, counts: list[int]) -> Row:
    most, least = max(counts, default=0), min(counts, default=0)
    return row(f"{what} in the decode steps", f"{least} to {most}", "about as many in each", AGAIN, ok=0 < most <= least * ALIKE)


def _joined(trace: Trace, spans: list[Range]) -> float:
    asked = [(call.process, call.correlation) in trace.asked_by for span in spans for call in launches(trace, span)]
    return sum(asked) / len(asked) if asked else 0.0


def _causal(trace: Trace) -> bool:
    """Nothing may run before the call that asked for it; host and device clocks agree to some microseconds."""
    began = {(call.process, call.correlation): call.start for call in reversed(trace.calls)}
    return all(work.start >= began.get((work.process, work.correlation), 0) - SLACK_NS for work in trace.work)


def layers_of(facts: dict[str, Any]) -> int:
    """Return the number of layers that the script wrote down, 0 where it is none."""
    layers = facts.get("layers")
    return layers if type(layers) is int and 0 < layers < 1000 else 0  # True is no number of layers
