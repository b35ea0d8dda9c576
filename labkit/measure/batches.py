"""Batch sizes: what the lesson's sweep is asked to measure, and tables of what it found."""

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from labkit import show
from labkit.checks.batch_sweep import SWEEP, Call, Point, Sweep, floors, linear_shares, points, read_sweep, ridge
from labkit.checks.batch_sweep import settings as settings_of
from labkit.evidence import BadEvidence
from labkit.lab import Lab
from labkit.measure.batches_plot import plot_sweep
from labkit.messages import LearnerMessage
from labkit.profile.bound import model_bytes
from labkit.profile.units import operations_text, size_text
from labkit.views import duration

NOISY = 0.3  # of the median: repeats that spread wider say little
BELOW = 0.8  # of a floor: no step can be as short, if both were measured on the same quiet machine
ABOVE = 1.1  # of linear scaling: what measurement noise alone may add
SLOWED = 1.2  # of the fastest request's time after its first token: requests that share all steps take the same time

__all__ = ["points_of", "recorded", "settings", "show_flawed", "show_limits", "show_recorded", "show_sweep"]


def settings(lab: Lab, model: Path | str) -> str:
    """Return the learner's settings of the sweep as JSON, and show them. Raises LearnerMessage for a model whose size is not known."""
    wanted = settings_of(lab.token, lab.lane.name, _parameters(model))
    show.text(
        f"sizes {', '.join(map(str, wanted['sizes']))}; at most {wanted['options']['max_num_seqs']} requests run at once (max_num_seqs)"
    )
    show.text(
        f"{wanted['prompt_tokens']} prompt tokens and {wanted['output_tokens']} output tokens per request; "
        f"{wanted['repeats']} timed runs per size; seed {wanted['seed']!r}"
    )
    return json.dumps(wanted)


def _parameters(model: Path | str) -> int:
    """How many parameters a decode step reads, by the model's config."""
    try:
        config = json.loads((Path(model) / "config.json").read_text())
    except OSError:  # a hub name
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(str(model)).to_dict()
    return model_bytes(config, 1)[0]


def points_of(lab: Lab) -> tuple[Sweep, list[Point]]:
    """Return the recorded sweep and its points. Raises LearnerMessage when there is none that can be read."""
    try:
        sweep = read_sweep(lab.evidence.record(SWEEP))
    except BadEvidence as bad:
        raise LearnerMessage(str(bad), "Run the cell that runs sweep.py.") from None
    return sweep, points(sweep)


def recorded() -> dict[str, Any]:
    """Return the sweep that was recorded on an H100."""
    return dict(json.loads((files("labkit.measure") / "recorded" / "batches_h100.json").read_text()))


def show_flawed(seen: Sequence[Mapping[str, Any]], seconds: float) -> None:
    """Show what the older script printed, beside what it did not print. `seconds` is the time of the whole run."""
    rows = [
        (str(s["batch"]), duration(s["seconds"]), f"{s['batch'] / s['seconds']:.2f}", _lengths(s["tokens"]), duration(s["engine_s"]))
        for s in seen
    ]
    show.table("The older script", ("batch", "seconds it took", "req/s, as it prints it", "tokens per answer", "engine start"), rows)
    first, last = seen[0], seen[-1]
    gain = last["batch"] / last["seconds"] * first["seconds"] / first["batch"]
    timed = sum(s["seconds"] for s in seen)
    show.text(
        f"By these figures {last['batch']} requests at once give {gain:.1f} times the requests per second of {first['batch']}. "
        f"Of the run's {seconds:.0f} s it timed {timed:.1f} s ({timed / seconds:.0%})."
    )


def show_sweep(lab: Lab) -> list[Point]:
    """Show the learner's sweep as a plot and a table. Return its points."""
    sweep, found = points_of(lab)
    plot_sweep(found, sweep.wanted())
    shares = linear_shares(found)
    rows = [
        (
            str(p.size), f"{p.rate.median:,.0f}", f"{p.rate.low:,.0f} to {p.rate.high:,.0f}", f"{shares[p.size]:.1%}",
            duration(p.first_token[0]), duration(p.first_token[1]), duration(p.step), duration(_warm_up(sweep, p.size)),
        )
        for p in found
    ]  # fmt: skip
    header = (
        "batch",
        "output tokens/s",
        "spread of the repeats",
        "of linear",
        "first token, median",
        "first token, p95",
        "step",
        "warm-up run",
    )
    show.table(f"Your sweep: medians of {len(sweep.timed(found[0].size))} timed runs per size", header, rows)
    _show_noise(found)
    _show_preempted(sweep)
    return found


def _show_noise(found: Sequence[Point]) -> None:
    """Say which sizes cannot be trusted: repeats far apart, or more than linear scaling, which only a disturbed measurement shows."""
    apart = [str(p.size) for p in found if p.rate.relative > NOISY]
    above = [str(size) for size, share in linear_shares(found).items() if share > ABOVE]
    if apart:
        show.text(
            f"The repeats of size {', '.join(apart)} lie far apart (more than {NOISY:.0%} of the median): "
            "something else uses this machine, or its own pace varies."
        )
    if above:
        show.text(
            f"Size {', '.join(above)} is faster than linear: then size {found[0].size}, which the ideal starts from, was measured too slow."
        )
    if apart or above:
        show.text("Close what else is running, if anything is, and run sweep.py again. The exercise takes the numbers as they are.")


def _show_preempted(sweep: Sweep) -> None:
    """Say in which sizes some requests took longer than others that ran beside them: the scheduler preempts for lack of KV-cache blocks."""
    most = sweep.wanted()["options"]["max_num_seqs"]
    slowed = {size: max(map(_slowed, sweep.timed(size))) for size in sweep.sizes() if size <= most}
    for size, count in slowed.items():
        if count:
            show.text(
                f"Of {size} requests at once {count} took more than {SLOWED:g} times as long as the fastest, after their first token. Was the KV "
                "cache too small for all of them? Then the scheduler preempts some, and computes them again later."
            )


def _slowed(call: Call) -> int:
    """How many requests of a call took longer than others after their first token."""
    times = [last - first for *_, first, last in call.stamps]
    return sum(time > SLOWED * min(times) for time in times)


def show_limits(lab: Lab) -> None:
    """Show each size's step beside its two floors, and how many requests waited."""
    sweep, found = points_of(lab)
    rows = []
    for p in found:
        memory, compute = floors(sweep, min(p.size, sweep.wanted()["options"]["max_num_seqs"]))
        rows.append(
            (str(p.size), duration(p.step), duration(memory), duration(compute), f"{_times(p.step, max(memory, compute))}", str(p.waited))
        )
    machine = sweep.machine
    title = (
        f"Your steps and their floors; measured here: {size_text(machine.bytes_per_s)}/s of weights read, "
        f"{operations_text(machine.operations_per_s)} operations/s; both floors are equal at a batch of {ridge(sweep):.0f}"
    )
    show.table(title, ("batch", "step", "floor by memory", "floor by arithmetic", "step / larger floor", "waited"), rows)
    if any(p.step < BELOW * max(floors(sweep, 1)) for p in found):
        show.text("A step below its floor: the machine was busier when the floors were measured than during the sweep.")


def show_recorded(lab: Lab) -> None:
    """Show the learner's sweep with its knee, on the cpu lane with the H100's beside it; then the H100's, and where its floors would meet."""
    (sweep, found), data = points_of(lab), recorded()
    plot_sweep(found, sweep.wanted(), data if lab.lane.name == "cpu" else None, answered=True)
    one = data["points"][0][2]
    rows = [
        (str(size), f"{rate:,}", f"{rate / size / one:.0%}", duration(seconds / data["output_tokens"]))
        for size, seconds, rate in data["points"]
    ]
    peak = data["peak"]
    meet = data["bytes_per_parameter"] * peak["operations_per_s"] / (2 * peak["bytes_per_s"])
    show.table(f"Recorded on {data['machine']}: {data['model']}", ("batch", "output tokens/s", "of linear", "time per output token"), rows)
    show.text(f"{data['method']}. By the data sheet, memory and arithmetic meet at a batch of {meet:.0f} ({peak['from']}).")


def _warm_up(sweep: Sweep, size: int) -> float:
    """Seconds of the first run of a size, timed or not."""
    return sweep.of(size)[0].seconds


def _times(value: float, of: float) -> str:
    return f"{value / of:.1f}" if of else "–"


def _lengths(tokens: Sequence[int]) -> str:
    low, high = min(tokens), max(tokens)
    return str(low) if low == high else f"{low} to {high}"
