"""Part 2 of lesson 06: profile marked requests, keep the marked part of the trace, and show which work lies in which range."""

from collections.abc import Mapping

from pydantic import JsonValue

from labkit import show
from labkit.checks.exercises_markers import RECORD, Marks, events_in, marks
from labkit.evidence import BadEvidence
from labkit.lab import Lab
from labkit.messages import LearnerMessage
from labkit.profile import Profiling, timeline
from labkit.profile.profiling import STEADY
from labkit.profile.units import share_text, table, time_text
from labkit.runner import Run
from labkit.trace import extract
from labkit.trace.analysis import busy, launched_by
from labkit.trace.errors import BadTrace
from labkit.trace.model import Range, Trace


def recorder(profiling: Profiling) -> list[str]:
    """Return the words that stand before the program: lesson 05's nsys command, none where torch.profiler records."""
    return [profiling.nsys, "profile", "--output=markers", *STEADY] if profiling.nsys else []


def scopes(profiling: Profiling) -> dict[str, str]:
    """Return the variable that makes vLLM mark its own parts, for this profiler."""
    return {"VLLM_NVTX_SCOPES_FOR_PROFILING" if profiling.nsys else "VLLM_CUSTOM_SCOPES_FOR_PROFILING": "1"}


def read(lab: Lab, profiling: Profiling) -> Trace:
    """Return the trace that the last run recorded; what nsys recorded is exported first. Raises LearnerMessage."""
    if profiling.nsys:
        export = [profiling.nsys, "export", "--type=sqlite", "--force-overwrite=true", "--output=markers.sqlite", "markers.nsys-rep"]
        lab.run(export, log="markers-export", quiet=True, must_succeed=True)
    return profiling.read("markers")


def keep(lab: Lab, trace: Trace, *, run: Run, facts: Mapping[str, JsonValue]) -> None:
    """Record what of the trace lies between the first and the last of the learner's ranges. Raises LearnerMessage."""
    found = [span for span in trace.ranges if span.name.startswith(f"{facts['label']} ")]
    target = lab.scratch() / "markers.trace.json.gz"
    try:
        extract.write(extract.cut(trace, found), target)
    except BadTrace as bad:
        raise LearnerMessage(str(bad), "Run the cell that profiles again.") from None
    lab.record(RECORD, run=run, files=[target], facts=dict(facts))


def own(lab: Lab) -> Marks:
    """Return the learner's marks from the evidence. Raises LearnerMessage."""
    try:
        return marks(lab.evidence)
    except BadEvidence as bad:
        raise LearnerMessage(str(bad), "Run the cell above that profiles.") from None


def place_of_next(mine: Marks) -> str:
    """Say where the range `next` lies: inside `old`, which was never closed, or beside it."""
    old, after = mine.named("old"), mine.named("next")
    if not old or not after:
        return "missing"
    return "inside" if after[0] in mine.inside(old[0]) else "beside"


def show_ranges(mine: Marks) -> None:
    """Show the learner's ranges, each under the one that it lies in, with its time and its work."""
    device = bool(mine.trace.work)
    header = ("range", "host time", "of the range around it", *(("kernels", "GPU busy") if device else ("operators",)))
    rows, open_ranges = [], list[Range]()
    for span in mine.ranges:
        while open_ranges and open_ranges[-1].end < span.end:
            open_ranges.pop()
        outer = open_ranges[-1] if open_ranges else None
        share = share_text(span.end - span.start, outer.end - outer.start) if outer else "–"
        name = "\N{NO-BREAK SPACE}" * 6 * len(open_ranges) + ("└ " if outer else "") + span.name
        rows.append((name, time_text(span.end - span.start), share, *_work(mine.trace, span)))
        open_ranges.append(span)
    table(f"Your ranges ({mine.facts.get('label')} …): {len(rows)}; an indented one lies inside the one above it", header, rows)


def _work(trace: Trace, span: Range) -> tuple[str, ...]:
    count = f"{events_in(trace, span):,}"
    return (count, time_text(busy(launched_by(trace, span)))) if trace.work else (count,)


def plot(mine: Marks, request: str) -> None:
    """Show the timeline of one request; where it has no range, say so."""
    span = mine.requests.get(request)
    if span is None:
        show.text(f"There is no range {request!r} yet: fill the gaps in markers.py, and run its cell and the next again.")
        return
    timeline.plot_timeline(mine.trace, start=span.start, end=span.end, label=f"The request {request!r}")


__all__ = ["events_in", "keep", "own", "place_of_next", "plot", "read", "recorder", "scopes", "show_ranges"]
