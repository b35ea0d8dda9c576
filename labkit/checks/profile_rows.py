"""Rows on what a learner read from a trace: of the right kind and size, whether it is right or not."""

from labkit.checks.profile_traces import Profiled
from labkit.checks.reading import is_number, word_of
from labkit.checks.units import other_unit
from labkit.rows import Row, row
from labkit.trace.model import Range, Trace
from labkit.trace.readings import costs, measure, waits


def step_ms(value: object, decode: list[Range]) -> Row:
    """The time of a decode step, of these."""
    times = sorted(span.end - span.start for span in decode)
    return positive("STEP_MS", value, "milliseconds", times[len(times) // 2] / 1e6 if times else None)


def gap_us(value: object, found: Profiled, number: int) -> Row:
    """The longest gap of a profile, from a step on."""
    longest = waits(found.trace, found.label, number, number + 1)[:1]
    return positive("GAP_US", value, "microseconds", longest[0].gap.ns / 1000 if longest else None)


def busy_percent(value: object, found: Profiled, number: int) -> Row:
    """How busy the GPU was in a step."""
    other = other_unit(value, measure(found.trace, found.steps[number], decodes=True).busy_percent, "percent")
    good = is_number(value) and 0 <= float(str(value)) <= 100 and not other
    return row("BUSY_PERCENT", value, "a number from 0 to 100", other or "In percent, not as a fraction.", ok=good)


def positive(name: str, value: object, unit: str, true: float | None = None) -> Row:
    """A positive number; where the `true` one is known, in the unit that was asked for."""
    other = other_unit(value, true, unit) if true else ""
    good = is_number(value) and float(str(value)) > 0 and not other
    return row(name, value, f"a positive number of {unit}", other or "Compute it, or read it from the table.", ok=good)


def count(name: str, value: object) -> Row:
    """A whole number; 1331 / 11 is 121.0."""
    whole = is_number(value) and float(str(value)).is_integer()
    return row(name, value, "a whole number", "Read it from the table.", ok=whole and 0 < float(str(value)) < 10**9)


def name_in(name: str, value: object, trace: Trace, spans: list[Range]) -> Row:
    """A name of what the trace's table lists, in full or as the table shortens it."""
    said = value.strip() if isinstance(value, str) else ""
    known = any(item.name == said for item in (trace.work or trace.ops)) or any(cost.name == said for cost in costs(trace, spans))
    return row(name, value, "a name, as the table spells it", "Copy it from the table, in quotes.", ok=bool(said) and known)


def one_of(name: str, value: object, words: tuple[str, ...]) -> Row:
    """One of a few words."""
    return row(name, value, f"one of {', '.join(words)}", "One of these words, in quotes.", ok=bool(word_of(value, words)))
