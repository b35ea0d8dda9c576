"""Rows on whether what lesson 06's memory_trace.py wrote can be what happened: pages, processes and stages."""

from grading.checks.exercises_memory_facts import Memory, Stage
from grading.checks.run_plausible import (
    AGAIN,
    BYTES_OF,
    HOLDER,
    LEAST_RSS,
    MIB,
    dtype_of,
    has_versions,
    is_packaged,
    ran_in_time,
    tokens_of_text,
)
from labkit.records import Record
from labkit.rows import Row, row

PAGE = 4096  # bytes; the smallest page of x86-64 and aarch64, and others are multiples of it
ASKED = 64 * MIB  # that pages() asks for
# What RSS may gain beside the 64 MiB that were touched: threads' stacks, huge pages, and the kernel's own error, since Linux 6.2 counts per processor.
MORE = 1024 * MIB  # recorded: 0.9 MiB
NEW_TOKENS = 4  # that memory_trace.py generates
PACKAGED_CONFIG = {"hidden_size": 576, "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3, "head_dim": 64}


def plausible(record: Record, mode: str, facts: Memory) -> list[Row]:
    """Rows that fail for a record that no run can have left. Assumes that the other rows about the run are looked at, too."""
    rows = [has_versions(record), ran_in_time(record, 0.0), *_processes(record, mode, facts), *_pages(mode, facts)]
    size = BYTES_OF.get(dtype_of(record), "those of a dtype in the command")
    rows += [
        tokens_of_text(f"{mode}: tokens", facts.tokens, facts.prompt, NEW_TOKENS),
        row(f"{mode}: bytes per value", facts.bytes_per_value, size, AGAIN),
    ]
    return [*rows, *(_packaged(mode, facts) if is_packaged(record) else []), *_by_lane(record.lane, mode, facts)]


def _stages(facts: Memory) -> dict[str, Stage]:
    found = facts.stages
    return {"start": found.start, "import": found.import_, "engine": found.engine, "generate": found.generate}


def _processes(record: Record, mode: str, facts: Memory) -> list[Row]:
    """Resident memory is whole pages; vLLM's processes start with the engine and stay; and the model is where this lane has it."""
    stages = _stages(facts)
    sizes = [one.rss for stage in stages.values() for one in stage.processes]
    named = {name: sorted(one.name for one in stage.processes if one.name.startswith("VLLM::")) for name, stage in stages.items()}
    small = sorted({one.name for one in stages["generate"].processes if one.name.startswith("VLLM::") and one.rss < LEAST_RSS})
    script, holder = stages["generate"].processes[0].name, facts.after.process
    wanted = script if mode == "one" else HOLDER[record.lane]
    return [
        row(f"{mode}: resident memory that is no whole number of pages", [size for size in sizes if size % PAGE], [], AGAIN),
        row(f"{mode}: resident memory", "all in whole MiB" if all(size % MIB == 0 for size in sizes) else "in pages", "in pages", AGAIN),  # by chance: 256 to the power of -4
        row(f"{mode}: processes of vLLM before the engine", named["start"] + named["import"], [], AGAIN),
        row(f"{mode}: processes of vLLM after generating", named["generate"], named["engine"], AGAIN),
        row(f"{mode}: processes of vLLM smaller than Python with torch", small, [], AGAIN),
        row(f"{mode}: memory of the script at its start", f"{stages['start'].processes[0].rss / MIB:.1f} MiB", f"at least {LEAST_RSS / MIB:.0f} MiB, with torch imported", AGAIN,
            ok=stages["start"].processes[0].rss >= LEAST_RSS),
        row(f"{mode}: where the model is", holder, wanted, AGAIN, ok=holder.startswith(wanted)),
    ]  # fmt: skip


def _pages(mode: str, facts: Memory) -> list[Row]:
    pages = facts.pages
    whole = all(size % PAGE == 0 for size in (pages.empty, pages.zeros))
    return [
        row(f"{mode}: memory asked for, to touch and not", [pages.asked, pages.last], [ASKED, 0], AGAIN),
        row(f"{mode}: what touching it added", f"{pages.zeros / MIB:.1f} MiB", "what was asked for, and little more", AGAIN, ok=whole and pages.empty >= -MORE and pages.zeros <= pages.asked + MORE),
    ]  # fmt: skip


def _packaged(mode: str, facts: Memory) -> list[Row]:
    """The course's model is known; torch holds some of it at least, and on a CPU not more than there is."""
    held = facts.after.parameters
    return [
        row(f"{mode}: configuration of SmolLM2-135M", facts.config.model_dump(), PACKAGED_CONFIG, AGAIN),
        row(f"{mode}: parameters that torch holds", held, f"some, at most {facts.weights}", AGAIN,
            ok=0 < held <= facts.weights and held == facts.before.parameters),
    ]  # fmt: skip


def _by_lane(lane: str, mode: str, facts: Memory) -> list[Row]:
    """What importing vLLM and starting the engine add, by the lane's own way to count."""
    stages = _stages(facts)
    if lane == "cuda":
        odd = [stage.whole for stage in stages.values() if stage.whole % MIB]
        return [row(f"{mode}: what the driver counts, in MiB", odd, [], f"nvidia-smi counts whole ones. {AGAIN}")]
    wholes = [stages[name].whole for name in ("start", "import", "engine")]
    grows = wholes[0] < wholes[1] < wholes[2]
    gpu = [one for one in (facts.before, facts.after) if one.allocated or one.reserved or one.peak or one.graphs]
    seen = [f"{size / MIB:.0f} MiB" for size in wholes]
    return [
        row(f"{mode}: memory at start, import and engine", seen, "more each time", f"Close what else needs memory. {AGAIN}", ok=grows),
        row(f"{mode}: memory of a GPU", len(gpu) + sum(stage.allocated > 0 for stage in stages.values()), 0, AGAIN),
    ]
