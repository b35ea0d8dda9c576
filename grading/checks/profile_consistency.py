"""Whether a trace can be what was recorded of a run: it agrees with itself, with the run's own clock, and with the machine."""

from itertools import pairwise
from typing import Any

from labkit.checks.profile_traces import Profiled
from labkit.checks.reading import is_number
from labkit.learner import word
from labkit.records import Record
from labkit.rows import Row, row
from labkit.trace.analysis import busy, launched_by, launches, within
from labkit.trace.model import Range, Trace
from labkit.trace.names import role

AGAIN = "Run the cell that profiles once more, and do not edit what it records."
SLOWER = 1.05  # the script's clock is read outside the range
SLACK_NS = 300_000
ATTENTION_OP = "vllm::unified_attention_with_output"  # called once per layer: vllm/model_executor/layers/attention
ALIKE = 1.25  # the most that decode steps of one request may differ in launches or operators
JOINED = 0.99


def consistent(record: Record, mine: Profiled) -> list[Row]:
    """Rows that fail for a trace that was trimmed, made up, or recorded of another run or machine."""
    trace, spans = mine.trace, mine.steps
    return [*_is_that_run(record, mine), *_clock(record, mine, spans), *(_on_gpu(record, mine) if trace.work else _on_cpu(record, mine))]


def _is_that_run(record: Record, mine: Profiled) -> list[Row]:
    prompt = str(mine.facts.get("prompt", ""))
    words = [word(record.token, "first word"), word(record.token, "second word")]
    asked = {"profiled.py", "eager", mine.label, prompt} - set(record.command)
    return [
        row("command", f"without {sorted(asked)}" if asked else "as the lesson runs it", "as the lesson runs it", AGAIN, ok=not asked),
        row("words of yours in the prompt", [w for w in words if w in prompt], words, AGAIN),
        row("mode", mine.facts.get("mode"), "eager", AGAIN),
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
    trace, spans, layers = mine.trace, mine.steps, _layers(mine.facts)
    counts = [len([w for w in launched_by(trace, span) if w.kind == "kernel"]) for span in spans]
    attention = [sum(role(w.name) == "attention" for w in launched_by(trace, span)) for span in spans]
    device = trace.device.name if trace.device else None
    return [
        row("device", device, record.machine.gpu, AGAIN),
        row("launches that led to work", f"{_joined(trace, spans):.1%}", "all", AGAIN, ok=_joined(trace, spans) >= JOINED),
        row("work after its launch", _causal(trace), True, AGAIN),
        row("time on the GPU", all(busy(launched_by(trace, s)) <= s.end - s.start + SLACK_NS for s in spans), True, AGAIN),
        _alike("kernels", counts[1:]),
        row(
            "attention kernels in a step", min(attention), f"at least {layers}, one for each layer", AGAIN, ok=min(attention) >= layers > 0
        ),
    ]


def _on_cpu(record: Record, mine: Profiled) -> list[Row]:
    inside = [within(mine.trace.ops, span) for span in mine.steps]
    attention = {sum(op.name == ATTENTION_OP for op in ops) for ops in inside}
    return [
        row("lane without GPU work", record.lane, "cpu", "On the cuda lane the trace must hold GPU work."),
        _alike("operators", [len(ops) for ops in inside][1:]),
        row("attention operators in a step", sorted(attention), [_layers(mine.facts)], AGAIN),
    ]


def _alike(what: str, counts: list[int]) -> Row:
    most, least = max(counts, default=0), min(counts, default=0)
    return row(f"{what} in the decode steps", f"{least} to {most}", "about as many in each", AGAIN, ok=0 < most <= least * ALIKE)


def _joined(trace: Trace, spans: list[Range]) -> float:
    done = {(work.process, work.correlation) for work in trace.work}
    asked = [(call.process, call.correlation) in done for span in spans for call in launches(trace, span)]
    return sum(asked) / len(asked) if asked else 0.0


def _causal(trace: Trace) -> bool:
    """Nothing may run before the call that asked for it; host and device clocks agree to some microseconds."""
    began = {(call.process, call.correlation): call.start for call in reversed(trace.calls)}
    return all(work.start >= began.get((work.process, work.correlation), 0) - SLACK_NS for work in trace.work)


def _layers(facts: dict[str, Any]) -> int:
    layers = facts.get("layers")
    return layers if isinstance(layers, int) and 0 < layers < 1000 else 0
