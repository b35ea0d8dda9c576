"""Rows on whether the records of lesson 04 can be what happened: phases, tokens and processes, by physics and arithmetic."""

from collections.abc import Sequence

from grading.checks.inference_facts import First, Process, ProcessMap, Steps
from grading.checks.run_plausible import (
    AGAIN,
    BYTES_OF,
    HOLDER,
    LEAST_RSS,
    MIB,
    PACKAGED_PARAMETERS,
    START_SECONDS,
    STEP_SECONDS,
    dtype_of,
    has_versions,
    is_packaged,
    ran_in_time,
    sharp,
    tokens_of_text,
)
from labkit.records import Record
from labkit.rows import Row, row

VOCABULARY = 49_152  # of SmolLM2-135M, by its config.json
UNIT = 1e-3  # seconds; four phases of a run are no multiples of it by chance


def plausible_first(record: Record, facts: First) -> list[Row]:
    """Rows that fail for phases that no run has, or tokens that are not of the prompt or the model."""
    phases, steps = facts.phases(), len(facts.token_ids) - 1
    started = phases["import"] + phases["engine"]
    rows = [
        has_versions(record),
        ran_in_time(record, 0.0),
        row("import and engine", f"{started:.3g} s", f"at least {START_SECONDS:g} s", AGAIN, ok=started >= START_SECONDS),
        *(
            row(
                name,
                f"{phases[name] * 1000:.3g} ms",
                f"at least {least * 1000:.1f} ms, a step of the engine per token",
                AGAIN,
                ok=phases[name] >= least,
            )
            for name, least in (("prefill", STEP_SECONDS), ("decode", steps * STEP_SECONDS))
        ),
        sharp("the phases", phases.values(), UNIT),
        tokens_of_text("tokens of the prompt", facts.prompt_tokens, facts.prompt),
    ]
    beyond = [token for token in facts.token_ids if token >= VOCABULARY]
    return [*rows, *([row("tokens beyond the model's vocabulary", beyond, [], AGAIN)] if is_packaged(record) else [])]


def plausible_processes(record: Record, maps: dict[str, ProcessMap]) -> list[Row]:
    """Rows that fail for processes that cannot be: without memory, without a parent, or without the process that runs the model."""
    names = [one.name for one in maps["on"].engine()]
    rows = [
        has_versions(record),
        ran_in_time(record, 0.0),
        row(
            "process that runs the model",
            names,
            HOLDER[record.lane],
            "Run process_map.py again.",
            ok=any(n.startswith(HOLDER[record.lane]) for n in names),
        ),
    ]
    for mode, found in maps.items():
        rows += _family(mode, found.processes)
    least = PACKAGED_PARAMETERS * BYTES_OF.get(dtype_of(record), 1) / MIB
    if record.lane == "cpu" and is_packaged(record):  # a GPU's weights are in its own memory
        largest = {mode: max(one.rss_mib for one in found.processes) for mode, found in maps.items()}
        rows.append(
            row("largest process, MiB", largest, f"at least {least:.0f} MiB: it has the weights", AGAIN, ok=min(largest.values()) >= least)
        )
    return rows


def _family(mode: str, processes: Sequence[Process]) -> list[Row]:
    pids = [one.pid for one in processes]
    strangers = [one.name for one in processes[1:] if one.parent not in pids]
    small = [
        one.name for one in (processes[0], *(one for one in processes if one.name.startswith("VLLM::"))) if one.rss_mib < LEAST_RSS / MIB
    ]
    return [
        row(f"{mode}: process numbers", len(set(pids)), len(pids), AGAIN),
        row(f"{mode}: processes that do not descend from the script", strangers, [], AGAIN),
        row(f"{mode}: processes smaller than Python with torch", small, [], AGAIN),
    ]


def plausible_steps(record: Record, facts: Steps) -> list[Row]:
    """Rows that fail for a schedule whose run or prompts cannot be."""
    pairs = zip(facts.prompts, facts.prompt_tokens, strict=True)
    return [
        has_versions(record),
        ran_in_time(record, 0.0),
        *(tokens_of_text(f"tokens of prompt {number}", tokens, prompt) for number, (prompt, tokens) in enumerate(pairs, 1)),
    ]
