"""Visible checks of lesson 06_exercises, part 2: ranges of the learner's own around the phases of three requests."""

from itertools import pairwise
from typing import Any, NamedTuple

from labkit.checks.profile_traces import own
from labkit.checks.reading import answer_of, is_number, mapping, word_of
from labkit.checks.units import other_unit
from labkit.evidence import Evidence
from labkit.learner import word
from labkit.records import Record
from labkit.rows import Row, VisibleCheck, row, still_about
from labkit.trace.analysis import launched_by, ops_in, within
from labkit.trace.model import Range, Trace

RECORD, ANSWER = "exercises-markers-trace", "exercises-markers-answer"
PHASES = ("prepare", "prefill", "decode")
REQUESTS = {"short": PHASES, "too_long": PHASES[:1], "long": PHASES}  # in the order in which they are served; one is refused
SEEN = ("all", "prefill", "none")
RUN = "Fill both gaps in markers.py, then run its cell and the one after it again."


class Marks(NamedTuple):
    """The learner's own ranges in their trace, and what the script wrote down."""

    record: Record
    facts: dict[str, Any]
    trace: Trace
    ranges: list[Range]  # sorted by start, the outer one first; their names without the label

    @property
    def requests(self) -> dict[str, Range]:
        """The range of each request, where there is exactly one of that name."""
        return {name: found[0] for name in REQUESTS if len(found := self.named(name)) == 1}

    def named(self, name: str) -> list[Range]:
        """All ranges of this name."""
        return [span for span in self.ranges if span.name == name]

    def inside(self, outer: Range) -> list[Range]:
        """The learner's ranges inside another one of theirs."""
        return [span for span in within(self.ranges, outer) if span is not outer]

    def phase(self, request: str, phase: str) -> Range:
        """The range of one phase of a request. Raises KeyError where there is none."""
        found = [span for span in self.inside(self.requests[request]) if span.name == phase]
        if not found:
            raise KeyError(f"{request}: {phase}")
        return found[0]


def ranges_of(trace: Trace, label: str) -> list[Range]:
    """Return the ranges named `label something`, by the something, the outer one first."""
    own_ranges = [span._replace(name=span.name.removeprefix(f"{label} ")) for span in trace.ranges if span.name.startswith(f"{label} ")]
    return sorted(own_ranges, key=lambda span: (span.start, -span.end))


def marks(evidence: Evidence) -> Marks:
    """Return the learner's marks from the evidence. Raises Missing or BadEvidence."""
    record, found = own(evidence, RECORD)
    return Marks(record, found.facts, found.trace, ranges_of(found.trace, found.label) if found.label else [])


def events_in(trace: Trace, span: Range) -> int:
    """Return how much work a range asked for: kernels that it launched, or torch operators where there is no device."""
    return sum(item.kind in ("kernel", "graph") for item in launched_by(trace, span)) if trace.work else len(ops_in(trace, span))


def markers(evidence: Evidence) -> list[Row]:
    """Your ranges are nested, closed in time, and say where the time of a request goes."""
    mine, answer = marks(evidence), answer_of(evidence, ANSWER)
    percent, decode = answer.get("prefill_percent"), answer.get("decode_events")
    other = other_unit(percent, _prefill_percent(mine), "percent")
    return [
        row("exit code", mine.record.exit_code, 0, "Read the last lines of the run; its log is in work/06_exercises/logs."),
        row("label", mine.facts.get("label"), word(mine.record.token, "marker label"), "Run the cell that profiles again."),
        row("ranges named as the requests", list(mine.requests), list(REQUESTS), f"Gap 2: one range around all phases of a request. {RUN}"),
        *_nested(mine),
        still_about(evidence, ANSWER, RECORD),
        row("PREFILL_PERCENT", percent, "a number from 0 to 100", other or "In percent, from the table.", ok=is_number(percent) and 0 <= float(str(percent)) <= 100 and not other),
        row("DECODE_EVENTS", decode, "a whole number", "From the table.", ok=is_number(decode) and float(str(decode)).is_integer()),
        row("IN_THE_SCRIPT", answer.get("in_the_script"), f"one of {', '.join(SEEN)}", "One of these words, in quotes.", ok=bool(word_of(answer.get("in_the_script"), SEEN))),
    ]  # fmt: skip


def _prefill_percent(mine: Marks) -> float | None:
    """The share of the prefill in the request `long`, None where a range of them is missing."""
    try:
        span, prefill = mine.requests["long"], mine.phase("long", "prefill")
    except KeyError:
        return None
    return 100 * (prefill.end - prefill.start) / (span.end - span.start) if span.end > span.start else None


def _nested(mine: Marks) -> list[Row]:
    """Rows on how the ranges lie: no request inside another, and each one's phases inside it, one after the other."""
    if len(mine.requests) < len(REQUESTS):
        return []
    swallowed = [f"{other.name} in {span.name}" for span in mine.requests.values() for other in mine.inside(span) if other.name in REQUESTS]
    rows = [
        row(
            "requests inside another one's range",
            swallowed,
            [],
            f"Gap 1: the range of too_long is still open when the next request comes. Close it in __exit__. {RUN}",
        )
    ]
    for name, span in mine.requests.items():
        inside = mine.inside(span)
        apart = all(before.end <= after.start for before, after in pairwise(inside))
        seen = [one.name for one in inside] if apart else "ranges that lie in each other"
        rows.append(row(f"inside {name}", seen, list(REQUESTS[name]), f"Gap 2: a range around each phase, inside the request's. {RUN}"))
    empty = [one.name for name in ("short", "long") for one in mine.inside(mine.requests[name])[1:] if events_in(mine.trace, one) == 0]
    return [*rows, row("steps without work", empty, [], f"Is the work inside the `with`? {RUN}")]


def requests_of(facts: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what the script wrote down of each request, {} for what is no dictionary."""
    requests = mapping(facts.get("requests"))
    return {name: mapping(requests.get(name)) for name in REQUESTS}


CHECKS: dict[str, VisibleCheck] = {"markers": markers}
