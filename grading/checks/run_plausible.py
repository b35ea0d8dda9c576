"""Rows on whether a record can be of a run at all, from physics and arithmetic only: no bound here depends on how fast or how busy a machine is.

A learner's laptop, a loaded server and the newest GPU all pass: each bound says where it comes from, and lies at least a factor of
ten beyond what was recorded on either lane. They make evidence that was typed in cost more than the run; they do not prove a run.
"""

from collections.abc import Iterable, Sequence

from labkit.records import Record
from labkit.rows import Row, row

AGAIN = "Run the lesson's cell again, and record what it writes as it is."
# `import torch` and vLLM takes 1.5 s or more where all files are in memory (measured: 4 to 6 s), before a model is loaded.
START_SECONDS = 1.0
# One step of the engine: Python for scheduler, input and sampling, and the model's layers one after the other. 30 layers of at least 5 kernels that
# wait for each other, and no kernel takes less than a microsecond: 150 µs. Recorded: 2.2 ms (H100, CUDA graphs), 44 ms (2 cores).
STEP_SECONDS = 1e-4
PACKAGED = "smollm2-135m"  # in the command, in the name of the model's folder or on the hub: SmolLM2-135M, with or without -Instruct
PACKAGED_PARAMETERS, PACKAGED_LAYERS = 134_515_008, 30  # the embedding counted once; both by the model's files and config.json
MIB = 2**20
LEAST_RSS = 32 * MIB  # a Python process that has imported torch: torch's libraries alone have more in relocated pages. Recorded: 220 MiB
# vLLM's CPU workers are processes of their own; one GPU's worker lives in the engine core (0.32.0, recorded in lesson 04 on both lanes)
HOLDER = {"cpu": "VLLM::Worker", "cuda": "VLLM::EngineCore"}
EXEC_SECONDS = 1e-3  # to start a program, load its libraries and wait for its end. Recorded: gdb 67 ms, cmake 145 ms
BYTES_OF = {"float32": 4, "float16": 2, "bfloat16": 2}  # per value


def is_packaged(record: Record) -> bool:
    """Whether a command ran the course's own model."""
    return any(PACKAGED in part.rpartition("/")[2].lower() for part in record.command)


def dtype_of(record: Record) -> str:
    """Return the dtype among a command's words, "" when none of them is one."""
    return next((part for part in record.command if part in BYTES_OF), "")


def ran_in_time(record: Record, contained: float) -> Row:
    """A row that is ok when a run was long enough for its imports and for what it timed. `contained` is in seconds."""
    least = START_SECONDS + contained
    step = f"A run takes as long as all that it timed, and its imports. {AGAIN}"
    return row("seconds of the run", f"{record.seconds:.3g}", f"at least {least:.3g}", step, ok=record.seconds >= least)


def ran_a_program(record: Record) -> Row:
    """A row that is ok when a command took as long as starting any program does."""
    step = f"Starting a program alone takes longer. {AGAIN}"
    return row("seconds of the command", f"{record.seconds:.3g}", f"at least {EXEC_SECONDS:g}", step, ok=record.seconds >= EXEC_SECONDS)


def tokens_of_text(what: str, tokens: object, text: str, more: int = 0) -> Row:
    """A row that is ok when a text can have so many tokens, and `more` beside it: a word is one or more, a byte one at most, and both ends one."""
    least, most = len(text.split()) + more, len(text.encode()) + 2 + more
    return row(what, tokens, f"{least} to {most} for this text", AGAIN, ok=type(tokens) is int and least <= tokens <= most)


def has_versions(record: Record) -> Row:
    """A row that is ok when a record names the versions that each engine run has; labkit notes what is installed."""
    missing = [name for name in ("python", "torch") if not record.versions.get(name)]
    return row("versions that the record does not name", missing, [], f"labkit notes them when it records. {AGAIN}")


def sharp(what: str, times: Iterable[float], unit: float) -> Row:
    """A row that is ok when not all times are multiples of a unit, in seconds.

    Linux's clocks tick in nanoseconds, CUDA's events in half microseconds: with units of a thousand ticks and ten times or more, all of them
    fall on multiples less than once in 10^30 runs.
    """
    blunt = all(abs(one / unit - round(one / unit)) < 1e-6 for one in times)
    seen = f"all are multiples of {unit:g} s" if blunt else "as a clock gives them"
    return row(what, seen, "as a clock gives them", f"Record the times as they come, without rounding. {AGAIN}")


def differing(what: str, times: Sequence[float], fewest: int) -> Row:
    """A row that is ok when some times hold at least so many different ones; `what` says whose they are."""
    return row(what, f"{len(set(times))} different ones of {len(times)}", f"at least {fewest}", AGAIN, ok=len(set(times)) >= fewest)
