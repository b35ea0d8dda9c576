"""Tables of a trace: which kernels and operators cost most, what a step cost, where the device waited, what was copied."""

from collections.abc import Iterable, Sequence
from statistics import median

from labkit import show
from labkit.profile.compare import compare_steps, show_clocks, show_cost
from labkit.profile.steps import Steps, measure_all
from labkit.profile.units import Hover, count_text, share_text, size_text, table, time_text
from labkit.profile.waits import show_waits
from labkit.trace.analysis import launched_by, overlapping, totals
from labkit.trace.model import Range, Trace, Work
from labkit.trace.names import label as labelled
from labkit.trace.names import role
from labkit.trace.readings import Cost, Step, costs

__all__ = [
    "compare_steps", "show_attribution", "show_clocks", "show_cost", "show_costs", "show_moved", "show_steps", "show_totals", "show_waits",
]  # fmt: skip

WAYS = {
    "HtoD": "host to device",
    "DtoH": "device to host",
    "DtoD": "within the device",
    "PtoP": "device to device",
    "memset": "set to a value",
}
NO_DEVICE = "This trace has no GPU: show_costs lists what ran on the host instead."


def show_totals(work: Trace | Iterable[Work], title: str, rows: int = 12) -> None:
    """Show the kernels that took longest together. A share is one of all kernels' time in the table, as nsys stats' Time (%) is."""
    kernels = [item for item in _work(work) if item.kind in ("kernel", "graph")]
    if not kernels:
        show.text(f"{title}: there are no kernels." + (f" {NO_DEVICE}" if isinstance(work, Trace) and work.device is None else ""))
        return
    found = totals(kernels)
    names = labelled(total.name for total in found)
    _show_listed(title, "kernel", [Cost(names[t.name], t.name, role(t.name), t.count, t.ns) for t in found], rows)


def show_costs(trace: Trace, spans: Sequence[Range], rows: int = 12) -> None:
    """Show what ranges spent their time on: the kernels that they launched, or their operators where there is no device."""
    found = costs(trace, spans)
    if not found:
        show.text("There is nothing to list: " + ("no ranges are given." if not spans else "the ranges launched no kernels."))
        return
    named = spans[0].name if len(spans) == 1 else f"{len(spans)} ranges, {spans[0].name} to {spans[-1].name}"
    _show_listed(named, "kernel" if trace.work else "operator", found, rows)


def show_steps(trace: Trace, label: Steps) -> None:
    """Show each step of the engine: step 0 is the prefill, the others decode one token each."""
    measured = measure_all(trace, label)
    if not measured:
        return
    decode = [step.host for step in measured if step.decodes]
    title = count_text(len(measured), "step") + (
        f", the median decode step takes {time_text(median(decode))} on the host" if decode else ""
    )
    if trace.device is None and not trace.work:
        header: tuple[str, ...] = ("step", "what", "host time", "operators", "time in operators", "of host time")
        table(title, header, [(*_named(s), f"{s.ops:,}", time_text(s.op_time), share_text(s.op_time, s.host)) for s in measured])
        return
    header = ("step", "what", "host time", "launch calls", "kernels", "GPU busy", "of host time", "largest gap inside")
    rows = [
        (*_named(s), f"{s.calls:,}", _kernels(s), time_text(s.busy), share_text(s.busy, s.host), time_text(s.gap) if s.gap else "–")
        for s in measured
    ]
    table(title, header, rows)


def show_moved(work: Trace | Iterable[Work]) -> None:
    """Show what was copied in each direction, and what was set."""
    copies = [item for item in _work(work) if item.kind in ("memcpy", "memset")]
    rows = []
    for total in totals(copies):
        size = sum(item.size for item in copies if item.name == total.name)
        rate = f"{size_text(size / total.ns * 1e9)}/s" if total.ns else "–"
        words = f"{WAYS[total.name]} ({total.name})" if total.name in WAYS else total.name
        rows.append((words, f"{total.count:,}", size_text(size), size_text(size / total.count), time_text(total.ns), rate))
    if not rows:
        show.text("Nothing was copied or set on a device.")
        return
    table("What moved", ("direction", "times", "together", "mean size", "time", "rate"), rows)


def show_attribution(trace: Trace, ranges: Sequence[Range]) -> dict[str, dict[str, float]]:
    """Show for each range the work that it launched, and beside it what ran while it was open: the second is not the range's work.

    Returns by range's name both as per cent of the time of all work in the trace.
    """
    rows, shares = [], {}
    whole = sum(item.end - item.start for item in trace.work)
    for span in ranges:
        own, during = launched_by(trace, span), overlapping(trace, span)
        times = sum(w.end - w.start for w in own), sum(min(w.end, span.end) - max(w.start, span.start) for w in during)
        late, foreign = len(set(own) - set(during)), len(set(during) - set(own))
        launched, seen = (f"{time_text(ns)} ({share_text(ns, whole)})" for ns in times)
        rows.append((span.name, f"{len(own):,}", launched, f"{len(during):,}", seen, f"{late:,}", f"{foreign:,}"))
        percents = (round(100 * ns / whole, 1) if whole else 0.0 for ns in times)
        shares[span.name] = dict(zip(("by launch", "by overlap in time"), percents, strict=True))
    header = (
        "range",
        "launched by it",
        "GPU time by launch",
        "ran while it was open",
        "GPU time by overlap",
        "missed by overlap",
        "not its own",
    )
    title = "Work of a range by launch, which is right; and by overlap in time, which misses what ran later and takes what others launched"
    table(title, header, rows)
    return shares


def _show_listed(title: str, noun: str, found: Sequence[Cost], rows: int) -> None:
    """Show what took longest; the last row holds what is not listed by name, so that the shares add up."""
    count, whole = sum(cost.count for cost in found), sum(cost.ns for cost in found)
    cells = [
        (Hover(c.name, c.full), c.role, f"{c.count:,}", time_text(c.ns), time_text(c.ns / c.count), share_text(c.ns, whole))
        for c in found[:rows]
    ]
    rest = found[rows:]
    if rest:
        times, ns = sum(cost.count for cost in rest), sum(cost.ns for cost in rest)
        more = f"{len(rest)} more"
        cells.append((Hover(more, more), "", f"{times:,}", time_text(ns), time_text(ns / times), share_text(ns, whole)))
    words = ("launches", "total", "kernel (hover: full name)") if noun == "kernel" else ("calls", "self time", "operator")
    summary = f"{count_text(len(found), f'different {noun}')}, {count:,} {words[0]}, {time_text(whole)} together"
    table(
        f"{title}: {summary}; shares are of these {time_text(whole)}",
        (words[2], "role", words[0], words[1], "mean", "of listed time"),
        cells,
    )


def _work(work: Trace | Iterable[Work]) -> Sequence[Work]:
    return work.work if isinstance(work, Trace) else list(work)


def _named(step: Step) -> tuple[str, str, str]:
    return step.name, "decode" if step.decodes else "prefill", time_text(step.host)


def _kernels(step: Step) -> str:
    whole = f"{count_text(step.graphs, 'graph')}, nodes not traced"
    return f"{step.kernels:,}" if not step.graphs else f"{step.kernels:,} + {whole}" if step.kernels else whole
