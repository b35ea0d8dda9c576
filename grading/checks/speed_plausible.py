"""Rows on whether the times of lesson 06's speed.py can be what happened."""

from itertools import chain

from grading.checks.run_plausible import (
    AGAIN,
    PACKAGED_LAYERS,
    STEP_SECONDS,
    differing,
    has_versions,
    is_packaged,
    ran_in_time,
    sharp,
)
from labkit.checks.exercises_build_types import NEW_TOKENS, Speed
from labkit.records import Record
from labkit.rows import Row, row

SAMPLES, RUNS, CALLS = 40, 8, 20  # speed.py's ROUNDS, RUNS, and calls that a sample is the mean of
# A call goes from Python through torch's dispatcher: hundreds of nanoseconds at 5 GHz before the operator's own code. Recorded: 2.8 µs.
CALL_SECONDS = 1e-7
FEWEST = 3  # different samples of 40: clocks of old machines tick in 0.3 µs, CUDA's events in 0.5 µs. Recorded: 38 to 40
SAMPLE_UNIT, RUN_UNIT = 1e-6, 1e-4  # seconds: a sample is a twentieth of a clock's difference, a run is one


def plausible(record: Record, speed: Speed) -> list[Row]:
    """Rows that fail for times that no machine can have measured."""
    calls = [*speed.small.values(), *speed.large.values()]
    shortest = min(chain.from_iterable([*calls, [*speed.first.values()]]))
    return [
        has_versions(record),
        *_numbers(speed),
        row("shortest call", f"{shortest * 1e9:.3g} ns", f"at least {CALL_SECONDS * 1e9:.0f} ns", f"The dispatcher alone takes longer. {AGAIN}",
            ok=shortest >= CALL_SECONDS),
        *_engine(record, speed),
        ran_in_time(record, CALLS * sum(map(sum, calls)) + sum(map(sum, speed.engine.values()))),
    ]  # fmt: skip


def _numbers(speed: Speed) -> list[Row]:
    """As many samples as speed.py takes, or more; different ones, and not rounded."""
    kept = {
        f"{name}, {size}": times for size, one in (("1 token", speed.small), ("your tokens", speed.large)) for name, times in one.items()
    }
    runs = [speed.engine[name] for name in speed.engine]
    poorest = min(kept, key=lambda name: len(set(kept[name])))
    return [
        row("fewest samples of a build", min(map(len, kept.values())), f"{SAMPLES} or more", AGAIN, ok=min(map(len, kept.values())) >= SAMPLES),
        row("fewest runs of the engine", min(map(len, runs)), f"{RUNS} or more", AGAIN, ok=min(map(len, runs)) >= RUNS),
        differing(f"samples of {poorest}", kept[poorest], FEWEST),
        differing("runs of the engine", [*chain.from_iterable(runs)], RUNS),
        sharp("samples", [*chain.from_iterable(kept.values())], SAMPLE_UNIT),
        sharp("seconds of the runs", [*chain.from_iterable(runs)], RUN_UNIT),
    ]  # fmt: skip


def _engine(record: Record, speed: Speed) -> list[Row]:
    """A run holds a step per token, and its calls of the operator, none of which is faster than the fastest that was measured alone."""
    rows = []
    for name, seconds in speed.engine.items():
        least = max(NEW_TOKENS * STEP_SECONDS, max(speed.calls[name]) * min(speed.small[name]))
        step = f"A run takes at least its {NEW_TOKENS} steps, and its calls of the operator. {AGAIN}"
        rows.append(row(f"{name}: shortest run", f"{min(seconds):.3g} s", f"at least {least:.3g} s", step, ok=min(seconds) >= least))
    if is_packaged(record) and record.lane == "cpu":  # not recorded on a GPU
        wanted = PACKAGED_LAYERS * NEW_TOKENS
        counts = sorted({*chain.from_iterable(speed.calls.values())})
        rows.append(row("calls of the operator per run", counts, f"{wanted}: one per layer and token", AGAIN, ok=counts == [wanted]))
    return rows
