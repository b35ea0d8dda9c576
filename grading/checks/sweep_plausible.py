"""Rows on whether a sweep of lesson 06 can be what happened: steps, stamps, floors and the run's own time by physics and arithmetic."""

import re
from itertools import chain

from grading.checks.run_plausible import (
    AGAIN,
    BYTES_OF,
    PACKAGED_PARAMETERS,
    STEP_SECONDS,
    dtype_of,
    has_versions,
    is_packaged,
    ran_in_time,
    sharp,
)
from labkit.checks.batch_sweep import Call, Sweep, floors, points
from labkit.records import Record
from labkit.rows import Row, row

# Upper bounds for one device, ten times what exists; the lower ones follow from the run's own time, see `_in_time`.
MOST_BYTES_PER_S = 1e14  # 4.8e12 an H200, 8e12 a B200, 3.2e13 announced for 2027 (Rubin Ultra, HBM4E); caches of a CPU below 1e13
MOST_OPERATIONS_PER_S = 1e17  # 1e15 an H100 in half precision, 1e16 a B200 in four bits
BEST_OF = 15  # runs of each of the two operations that sweep.py takes the fastest of
DIGEST = re.compile(r"[0-9a-f]{10,64}")  # sweep.py keeps ten digits of a SHA-256
TICK = 2e-6  # stamps are rounded to microseconds
UNIT = 1e-4  # seconds; a clock's readings fall on all multiples of it by no chance


def plausible(record: Record, sweep: Sweep) -> list[Row]:
    """Rows that fail for a sweep that no machine can have made. Assumes that its settings are the learner's own."""
    return [
        has_versions(record),
        *_model(record, sweep),
        *_calls(sweep),
        *_requests(record, sweep),
        *_machine(sweep),
        _in_time(record, sweep),
    ]


def _model(record: Record, sweep: Sweep) -> list[Row]:
    """Parameters and bytes of a parameter are those of the model and the dtype in the command; other models than the course's have their own."""
    parameters, dtype = sweep.wanted().get("parameters"), dtype_of(record)
    own = PACKAGED_PARAMETERS if is_packaged(record) else "a positive whole number"
    step = "Run the cell with batches.settings(lab, model): it reads them from the model's config."
    good = parameters == own if is_packaged(record) else type(parameters) is int and parameters > 0
    return [
        row("parameters of the model", parameters, own, step, ok=good),
        row("bytes per parameter", sweep.bytes_per_parameter, f"those of {dtype or 'a dtype in the command'}", AGAIN,
            ok=BYTES_OF.get(dtype) == sweep.bytes_per_parameter),
    ]  # fmt: skip


def _calls(sweep: Sweep) -> list[Row]:
    odd = [prompt for call in sweep.calls for prompt in call.prompts if not DIGEST.fullmatch(prompt)]
    stamps = [tuple(chain.from_iterable(call.stamps)) for call in sweep.calls]
    return [
        row("prompts that are no digests", odd[:3], [], f"sweep.py notes ten hexadecimal digits of each prompt's SHA-256. {AGAIN}"),
        row("calls with timestamps of their own", len({*stamps}), len(stamps), f"No call takes the very same microseconds as another. {AGAIN}"),
        sharp("seconds of the calls", [call.seconds for call in sweep.calls], UNIT),
    ]  # fmt: skip


def _requests(record: Record, sweep: Sweep) -> list[Row]:
    """Rows on the stamps: counted from the first request, queued one by one, and a step of the engine for each token."""
    step, token = _shortest(sweep)
    late = [call.size for call in sweep.calls if min(stamp[0] for stamp in call.stamps) != 0]
    heaped = [call.size for call in sweep.calls if 2 * len({stamp[0] for stamp in call.stamps}) < call.size]
    least = f"at least {STEP_SECONDS * 1e6:.0f} µs"
    rows = [
        row("sizes whose stamps do not begin with the first request", late, [], AGAIN),
        row("sizes whose requests were queued at the same microsecond", heaped, [], f"An engine takes them one by one. {AGAIN}"),
        row("shortest time from scheduled to first token", f"{step * 1e6:.3g} µs", least, AGAIN, ok=step >= STEP_SECONDS - TICK),
        row("shortest time from token to token", f"{token * 1e6:.3g} µs", least, AGAIN, ok=token >= STEP_SECONDS - TICK),
    ]
    if is_packaged(
        record
    ):  # others may lack room: the cache of 256 MiB holds 11,650 of this model's tokens in float16, 256 prompts take 8,192
        rows.append(_unqueued(sweep))
    return rows


def _shortest(sweep: Sweep) -> tuple[float, float]:
    """Return the shortest time to a first token, and between two tokens of a request, over all calls."""
    made = [(stamp, tokens) for call in sweep.calls for stamp, tokens in zip(call.stamps, call.output_tokens, strict=True)]
    return min(s[2] - s[1] for s, _ in made), min(((s[3] - s[2]) / (n - 1) for s, n in made if n > 1), default=1.0)


def _unqueued(sweep: Sweep) -> Row:
    """Up to max_num_seqs all requests are in the first steps: they were queued before generate() began to step, and one step has room for their prompts."""
    top = sweep.wanted()["options"]["max_num_seqs"]
    waited = [point.size for point in points(sweep) if point.size <= top and point.waited]
    return row("sizes up to max_num_seqs in which requests waited", waited, [], AGAIN)


def _machine(sweep: Sweep) -> list[Row]:
    """No step is shorter than reading the weights once at the largest rate there is, and no machine is beyond that rate."""
    seen, (_, token) = sweep.machine, _shortest(sweep)
    fastest = floors(sweep, 1)[0] * seen.bytes_per_s / MOST_BYTES_PER_S
    return [
        row("bytes read per second", f"{seen.bytes_per_s:.3g}", f"at most {MOST_BYTES_PER_S:g}", AGAIN, ok=seen.bytes_per_s <= MOST_BYTES_PER_S),
        row("operations per second", f"{seen.operations_per_s:.3g}", f"at most {MOST_OPERATIONS_PER_S:g}", AGAIN,
            ok=seen.operations_per_s <= MOST_OPERATIONS_PER_S),
        row("shortest step", f"{token * 1e6:.3g} µs", f"at least {fastest * 1e6:.3g} µs, for reading the weights", AGAIN, ok=token >= fastest - TICK),
    ]  # fmt: skip


def _in_time(record: Record, sweep: Sweep) -> Row:
    """The run holds all its calls and BEST_OF times the fastest reading and arithmetic: so neither rate can be too small for the run."""
    return ran_in_time(record, sum(call.seconds for call in sweep.calls) + BEST_OF * _measuring(sweep))


def _measuring(sweep: Sweep) -> float:
    """Return the seconds of one product of the matrix with a vector, and one with the batch, by the rates that sweep.py wrote down."""
    rows, columns, batch = sweep.wanted()["matrix"]
    reading = rows * columns * sweep.bytes_per_parameter / sweep.machine.bytes_per_s
    return float(reading + 2 * (rows // 8) * columns * batch / sweep.machine.operations_per_s)


def ends_in_call(call: Call) -> bool:
    """Whether a call's requests end before it does: stamps and seconds are of one clock (CLOCK_MONOTONIC), but for the rounding."""
    return max(stamp[3] for stamp in call.stamps) <= call.seconds + TICK
