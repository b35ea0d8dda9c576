"""Visible checks of lesson 03_debuggers' CUDA half: a stop inside a kernel, a kernel that writes where it may not, one that hangs."""

import re
from typing import Any

from labkit.checks.cuda_plants import KERNEL, Plant, plant_of
from labkit.checks.cuda_recorded import recorded_for, recording, scene_of
from labkit.checks.cuda_text import (
    KernelFrame,
    Triple,
    accesses,
    errors,
    first_traceback,
    focus,
    frames,
    kernels,
    python_frames,
    spied_frames,
    triggered,
    vector,
)
from labkit.checks.reading import answer_of, is_number, mapping
from labkit.checks.transcripts import Said, turns, typed
from labkit.evidence import Evidence
from labkit.learner import pick
from labkit.records import Record
from labkit.rows import Row, VisibleCheck, row, still_about

SLOTS = 64  # of the small program's cache: 4 blocks of 16
MIDDLE = (11, 21, 42)  # slots that it writes, beside one at an end; no two neighbours, so that damage shows
VLLM_FILE = re.compile(r"(?:^|/)vllm/[\w/]{1,300}\.py$")
AGAIN = "Run the session again, from the cell that opens it."


def kernel(evidence: Evidence) -> list[Row]:
    """You stopped inside a kernel of a real inference, went to your own thread, and read what it works on."""
    record, given = evidence.record("debuggers-kernel"), answer_of(evidence, "debuggers-kernel-answer")
    block, thread = scene_of(record.token)
    dialogue = turns(record)
    mine = scene(dialogue, block, thread)
    stopped = [function for turn in typed(dialogue, "info cuda kernels") for active, _, _, function in kernels(turn.said) if active]
    shown = {name: vector(turn.said) for turn in mine for name in ("blockIdx", "threadIdx") if typed([turn], f"print {name}")}
    place, key = given.get("place"), given.get("key")
    return [
        row("stopped in", stopped[-1] if stopped else "no kernel", KERNEL, "continue, until cuda-gdb says that a CUDA thread hit the breakpoint.", ok=KERNEL in stopped),
        row("your focus", focus(mine[0].said) if mine else "elsewhere", ((block, 0, 0), (thread, 0, 0)), "cuda block (B,0,0) thread (T,0,0), with your numbers."),
        row("blockIdx, threadIdx", [shown.get("blockIdx"), shown.get("threadIdx")], [(block, 0, 0), (thread, 0, 0)], "Print both, in your focus."),
        row("TOKENS, SLOT", [given.get("tokens"), given.get("slot")], "two whole numbers", "Copy them from what cuda-gdb printed.", ok=_whole(given.get("tokens")) and _whole(given.get("slot"))),
        row("PLACE", place, "[block of the cache, row in it]", "Two whole numbers.", ok=isinstance(place, list) and len(place) == 2 and all(map(_whole, place))),
        row("BITS", "four numbers" if _four(key) else key, "four numbers", "Four, as cuda-gdb printed them, without quotes: 0x3c00.", ok=_four(key)),
        row("HEAD", given.get("head"), "a number, or None", "Which head does your thread's warp copy?", ok=given.get("head") is None or _whole(given.get("head"))),
        still_about(evidence, "debuggers-kernel-answer", "debuggers-kernel"),
    ]  # fmt: skip


def illegal_access(evidence: Evidence) -> list[Row]:
    """Two kernels that touch what they may not: the silent one found by compute-sanitizer, the loud one in a core dump."""
    silent, loud = evidence.record("debuggers-oob"), evidence.record("debuggers-illegal")
    given = answer_of(evidence, "debuggers-illegal-answer")
    found, top = accesses(report(silent)), core_frame(loud)
    ended, names = [blamed(run_of(loud, which)) for which in ("plain", "blocking")], given.get("blamed")
    numbers = {name: given.get(name) for name in ("silent_line", "silent_block", "silent_threads", "line", "block", "warp")}
    return [
        row("compute-sanitizer", f"{errors(report(silent))} errors", "invalid accesses in the kernel", "Run it on small.py with --padding, under the planted overlay.", ok=any(a.function == KERNEL for a in found)),
        row("the core dump's first frame", top.function or "none", KERNEL, "Open the core dump, and type bt."),
        row("Python's tracebacks", f"{sum(map(bool, ended))} that reach vLLM", "two", "Run both inferences under the planted overlay.", ok=all(ended)),
        *(row(name.upper(), value, "a whole number", "Copy it from the report or from the core dump.", ok=_whole(value)) for name, value in numbers.items()),
        row("BLAMED", names, "the names of two functions", "Copy them from the tracebacks.", ok=isinstance(names, list) and len(names) == 2 and all(isinstance(name, str) for name in names)),
        still_about(evidence, "debuggers-illegal-answer", "debuggers-illegal"),
    ]  # fmt: skip


def hang(evidence: Evidence) -> list[Row]:
    """A kernel that hangs: Ctrl-C does not help, a core dump asked for from outside says where it waits."""
    record, given = evidence.record("debuggers-hang"), answer_of(evidence, "debuggers-hang-answer")
    top, ended = core_frame(record), mapping(record.facts.get("notes")).get("ended_by_ctrl_c")
    numbers = {name: given.get(name) for name in ("line", "block", "warp")}
    return [
        row("Ctrl-C", "ended it" if ended else "did nothing", "did nothing", "Does the kernel hang? Build the planted overlays again.", ok=ended is False),
        row("the core dump's first frame", top.function or "none", KERNEL, "Ask for the dump, open it, and type bt."),
        row("Python's stack", "seen" if waits_in(record) else "not seen", "a function of vLLM's in it", "Run the cell that shows the Python stack.", ok=bool(waits_in(record))),
        *(row(name.upper(), value, "a whole number", "Copy it from the core dump.", ok=_whole(value)) for name, value in numbers.items()),
        row("WAITS_IN", given.get("waits_in"), "the name of a function", "Copy it from the Python stack.", ok=isinstance(given.get("waits_in"), str)),
        still_about(evidence, "debuggers-hang-answer", "debuggers-hang"),
    ]  # fmt: skip


# What the records hold


def scene(dialogue: list[Said], block: int, thread: int) -> list[Said]:
    """Return the turns from the change of focus to one block and thread, up to the next change."""
    wanted = ((block, 0, 0), (thread, 0, 0))
    moves = [(number, found) for number, turn in enumerate(dialogue) if turn.command == "cuda" and (found := focus(turn.said))]
    here = [number for number, found in moves if found == wanted]
    ends = [number for number, found in moves if here and number > here[0] and found != wanted]
    return dialogue[here[0] : ends[0] if ends else None] if here else []


def slots_of(token: str) -> list[int]:
    """Return the slots that the learner's small program writes, in their order; among them the end that the planted failure crosses."""
    slots = [*MIDDLE, end_of(plant_of(token, "oob"))]
    first = pick(token, "slots", len(slots))
    return [*slots[first:], *slots[:first]]


def end_of(plant: Plant) -> int:
    """Return the slot at which a failure of kind "oob" leaves the cache: its first or its last."""
    return 0 if plant.number == 1 else SLOTS - 1


def plant_for(record: Record, kind: str) -> Plant:
    """Return the failure that a record is about: of the learner's own overlay, or of the learner's recording."""
    if record.lane == "cuda":
        return plant_of(record.token, kind)
    found = recording(recorded_for(record.token, kind)).plant
    assert found is not None
    return found


def run_of(record: Record, which: str) -> str:
    """Return the output of one run that a record keeps, "" without it."""
    found = mapping(record.facts.get(which)).get("output")
    return found if isinstance(found, str) else ""


def report(record: Record) -> str:
    """Return compute-sanitizer's report, of the run with padding."""
    return run_of(record, "padded")


def core_frame(record: Record) -> KernelFrame:
    """Return the innermost frame that cuda-gdb showed of a core dump, an empty one when it showed none."""
    found = [frame for turn in typed(turns(record), "bt", "backtrace", "where") for frame in frames(turn.said)]
    return found[0] if found else KernelFrame("")


def core_place(record: Record, kind: str) -> str:
    """Return "file:line" of what went wrong in a core dump: of the instruction that raised the exception, or of the frame of what waits."""
    top = core_frame(record)
    raised = next((found for turn in typed(turns(record), "target") if (found := triggered(turn.said))), None)
    file, line = raised or ("nothing", 0) if kind == "illegal" else (top.file, top.line)
    return f"{file.rpartition('/')[2]}:{line}"


def core_focus(record: Record) -> tuple[Triple, Triple] | None:
    """Return (block, thread) that cuda-gdb was at when it had opened a core dump."""
    return next((found for turn in typed(turns(record), "target") if (found := focus(turn.said))), None)


def blamed(output: str) -> str:
    """Return the innermost vLLM function of the first Python traceback in an output, "" without one."""
    return next((function for file, _, function in reversed(first_traceback(output)) if VLLM_FILE.search(file)), "")


def waits_in(record: Record) -> str:
    """Return the innermost vLLM function of the Python stack of a hanging process, "" without one."""
    text = mapping(record.facts.get("notes")).get("stack")
    return waiting(text) if isinstance(text, str) else ""


def waiting(stack: str) -> str:
    """Return the innermost vLLM function of a py-spy dump, or of what faulthandler wrote, without its class; "" without one."""
    plain = re.sub(r"\x1b\[[0-9;]{0,9}m", "", stack)  # py-spy writes colours where a variable asks for them
    main = plain.rpartition("Current thread")[2]  # faulthandler begins with the others
    found = [*spied_frames(main), *python_frames(main)]
    return next((function.rpartition(".")[2] for file, _, function in found if VLLM_FILE.search(file)), "")


def _four(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(map(is_number, value))


def _whole(value: Any) -> bool:
    return type(value) is int and is_number(value)


CHECKS: dict[str, VisibleCheck] = {check.__name__: check for check in (kernel, illegal_access, hang)}
