"""Hidden checks of lesson 03_debuggers' CUDA half: what was read agrees with torch, with the planted failure and with the recording."""

import math
import struct
from typing import Any

from grading.checks.combine import both
from grading.submission import Submission
from grading.verdict import Verdict
from labkit.checks import debuggers_cuda as visible
from labkit.checks.cuda_plants import KERNEL, SOURCE, WARP_SIZE, Plant
from labkit.checks.cuda_recorded import recorded_for, recording, scene_of
from labkit.checks.cuda_text import accesses, integer, integers, kernels
from labkit.checks.reading import answer_of, is_number, mapping
from labkit.checks.transcripts import Said, turns, typed
from labkit.learner import pick, word
from labkit.records import Record
from labkit.rows import Row, row

LESSON = "debuggers"
ROWS = 16  # tokens in a block of the KV cache, vLLM's default on CUDA
HEADS, HEAD_SIZE, LAYERS = 3, 64, 30  # key heads and layers of SmolLM2-135M
THREADS = HEADS * HEAD_SIZE  # of a block of the kernel
LINE_HINTS = {"illegal": "Which line does `The exception was triggered at` end with?", "hang": "The last number of the first line of bt."}
MANY_BLOCKS = 4096  # of a KV cache: slots are looked for up to here


def kernel(submission: Submission, points: float) -> Verdict:
    """What you read in the kernel is what torch had handed to it."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        record, given = evidence.record("debuggers-kernel"), answer_of(evidence, "debuggers-kernel-answer")
        block, thread = scene_of(record.token)
        torch = mapping(record.facts.get("torch"))
        handed = _handed(torch, block)
        if handed is None:
            return [row("torch's values", "none that fit", "those of the stop", "Run the session again, to its end.")]
        slots, keys = handed
        slot, head = slots[block], thread // WARP_SIZE
        mine = visible.scene(turns(record), block, thread)
        grids = [
            grid for turn in typed(turns(record), "info cuda kernels") for _, grid, _, function in kernels(turn.said) if function == KERNEL
        ]
        return [
            *_own_session(record, torch),
            row("grid of the kernel", grids[-1] if grids else None, (len(slots), 1, 1), "info cuda kernels, at the stop in your own step."),
            row("slot_idx in cuda-gdb", [integer(turn.said) for turn in typed(mine, "print slot_idx")][-1:], [slot], "next, until slot_idx has its value; then print it."),
            row("key in cuda-gdb", _halves(mine)[-1:], [keys[block]], "print/x key_src[0]@4, once key_src has its value."),
            row("TOKENS", given["tokens"], len(slots), "One block of threads per token: which number of the kernel table says how many?"),
            row("SLOT", given["slot"], slot, "print slot_idx, in your focus."),
            row("PLACE", given["place"], list(divmod(slot, ROWS)), "The kernel's lines 343 and 344 compute both."),
            row("BITS, as numbers", given["key"], keys[block], "Copy the four that print/x key_src[0]@4 showed, in your focus.", ok=all(math.isclose(a, b, abs_tol=1e-6) for a, b in zip(given["key"], keys[block], strict=True))),
            row("HEAD", given.get("head"), head if head < HEADS else None, "32 threads are a warp, and each warp takes one head: are there enough heads for yours?"),
        ]  # fmt: skip

    return both(visible.kernel(evidence), hidden, points)


def illegal_access(submission: Submission, points: float) -> Verdict:
    """You found both planted statements, and the thread that ran into the second."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        silent, loud = evidence.record("debuggers-oob"), evidence.record("debuggers-illegal")
        return [
            *_silent(silent, answer_of(evidence, "debuggers-illegal-answer")),
            *_loud(loud, answer_of(evidence, "debuggers-illegal-answer")),
        ]

    return both(visible.illegal_access(evidence), hidden, points)


def hang(submission: Submission, points: float) -> Verdict:
    """You found the statement that waits, and who waits in it."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        record, given = evidence.record("debuggers-hang"), answer_of(evidence, "debuggers-hang-answer")
        return [
            *_own(record, "hang", {"notes": _recorded_notes(record)}),
            *_core_rows(record, visible.plant_for(record, "hang"), given),
            row("WAITS_IN", given["waits_in"].rpartition(".")[2], visible.waits_in(record), "Which is the innermost function of vLLM's in the Python stack?"),
        ]  # fmt: skip

    return both(visible.hang(evidence), hidden, points)


def _silent(record: Record, given: dict[str, Any]) -> list[Row]:
    """Rows on compute-sanitizer's report: the planted line, one block, as many threads as were planted."""
    plant = visible.plant_for(record, "oob")
    slots = visible.slots_of(record.token) if record.lane == "cuda" else recording(recorded_for(record.token, "oob")).facts["slots"]
    block = slots.index(visible.end_of(plant))
    found = accesses(visible.report(record))
    return [
        *_own(record, "oob", {}),
        row("slots", record.facts.get("slots"), slots, "Run small.py with your slots."),
        row("lines in the report", sorted({(a.file, a.line) for a in found}), [(SOURCE.rpartition("/")[2], plant.line)], "Run it under the planted overlay.",
            ok={(a.file.rpartition("/")[2], a.line) for a in found} == {(SOURCE.rpartition("/")[2], plant.line)}),
        row("threads in the report", sorted((a.block[0], a.thread[0]) for a in found), [(block, n) for n in range(plant.factor)], "Run it under the planted overlay."),
        row("SILENT_LINE", given["silent_line"], plant.line, "Which line does `in cache_kernels.cu:…` name?"),
        row("SILENT_BLOCK", given["silent_block"], block, "by thread (…) in block (…)"),
        row("SILENT_THREADS", given["silent_threads"], plant.factor, "One entry of the report is one thread."),
    ]  # fmt: skip


def _loud(record: Record, given: dict[str, Any]) -> list[Row]:
    ended = [visible.blamed(visible.run_of(record, which)) for which in ("plain", "blocking")]
    return [
        *_own(record, "illegal", {}),
        *_core_rows(record, visible.plant_for(record, "illegal"), given),
        row("BLAMED", given["blamed"], ended, "The last frame with a file of vLLM's in each run's first traceback."),
    ]  # fmt: skip


def _core_rows(record: Record, plant: Plant, given: dict[str, Any]) -> list[Row]:
    """Rows on a core dump: the planted line, and a block and a warp that can have run into it. The hardware does not tell which thread."""
    at = visible.core_focus(record) or ((-1, 0, 0), (-1, 0, 0))
    block, warp = at[0][0], at[1][0] // WARP_SIZE
    possible = {plant.thread(cache_block * ROWS + plant.row, THREADS) // WARP_SIZE for cache_block in range(1, MANY_BLOCKS)}
    return [
        row("place in the core dump", visible.core_place(record, plant.kind), f"{SOURCE.rpartition('/')[2]}:{plant.line}", "Open the dump of the planted overlay."),
        row("block in the core dump", block, f"row {plant.row} of a cache block", "Open the dump of your own run.", ok=block % ROWS == plant.row),
        row("warp in the core dump", warp, "one that the statement picks", "Open the dump of your own run.", ok=warp in possible),
        row("LINE", given["line"], plant.line, LINE_HINTS[plant.kind]),
        row("BLOCK", given["block"], block, "cuda-gdb says it when it has opened the dump."),
        row("WARP", given["warp"], warp, "The thread of the focus, divided by 32."),
    ]  # fmt: skip


def _own(record: Record, kind: str, more: dict[str, Any]) -> list[Row]:
    """Rows that bind a record to its learner: the recording that is the learner's, unchanged; on CUDA the planted line does it."""
    if record.lane == "cuda":
        return [row("a live run", record.facts.get("recording"), "", "Run the section's cells again."), _lane(record)]
    name = recorded_for(record.token, kind)
    kept = recording(name)
    runs = {which: record.facts.get(which) == run for which, run in kept.runs.items() if which in record.facts}
    said = {(str(turn["typed"]), str(turn["said"])) for dialogue in kept.dialogues.values() for turn in dialogue["turns"]}
    strange = [turn.typed for turn in turns(record) if turn.typed.startswith(("target", "bt")) and (turn.typed, turn.said) not in said]
    return [
        row("recording", record.facts.get("recording"), name, "Is LEARNER your name? Run the section's cells again."),
        row("as it was recorded", [*(which for which, same in runs.items() if not same), *strange], [], "Run the section's cells again."),
        *(row(what, record.facts.get(what) == value, True, "Run the section's cells again.") for what, value in more.items() if value is not None),
        _lane(record),
    ]  # fmt: skip


def _recorded_notes(record: Record) -> Any:
    """What the recording noted of a hang, as the lesson hands it on; None on CUDA."""
    return None if record.lane == "cuda" else recording(recorded_for(record.token, "hang")).facts["notes"]


def _own_session(record: Record, torch: dict[str, Any]) -> list[Row]:
    """Rows that bind the session in the kernel to its learner, or to the recording."""
    if record.lane == "cuda":
        own = [word(record.token, purpose) for purpose in ("harbour", "visitor")]
        return [
            row("a live session", record.facts.get("recording", ""), "", visible.AGAIN),
            row("prompt", [w in str(torch.get("prompt")) for w in own], [True, True], "Run the session with the lesson's prompt."),
            row("layer", torch.get("layer"), pick(record.token, "layer", LAYERS), "Start stop.py with your LAYER."),
            _lane(record),
        ]
    kept = recording("kernel")
    said = {(str(turn["typed"]), str(turn["said"])) for turn in kept.dialogues["session"]["turns"]}
    strange = [turn.typed for turn in turns(record) if (turn.typed, turn.said) not in said]
    return [
        row("as it was recorded", strange[:3], [], visible.AGAIN),
        row("torch's values", "as recorded" if torch == kept.facts["torch"] else "others", "as recorded", visible.AGAIN),
        _lane(record),
    ]


def _lane(record: Record) -> Row:
    return row(
        "lane", record.lane == "cuda", record.machine.gpu is not None, "Run the lesson again: lane and GPU of the record do not fit."
    )


def _handed(torch: dict[str, Any], block: int) -> tuple[list[int], list[list[float]]] | None:
    """The slots and the keys that torch handed to the kernel, None unless there is a slot and four key values of this block."""
    slots, keys = torch.get("slot_mapping"), torch.get("key")
    if not (
        isinstance(slots, list)
        and isinstance(keys, list)
        and len(slots) == len(keys) > block
        and all(type(s) is int and 0 <= s < 10**9 for s in slots)
    ):
        return None
    good = isinstance(keys[block], list) and len(keys[block]) == 4 and all(is_number(k) for k in keys[block])
    return (slots, keys) if good else None


def _halves(mine: list[Said]) -> list[list[float]]:
    """The float16 numbers of each `print/x key_src[0]@4`."""
    found = [integers(turn.said) for turn in typed(mine, "print") if "key" in turn.typed and "/x" in turn.typed]
    return [list(struct.unpack("<4e", struct.pack("<4H", *bits))) for bits in found if len(bits) == 4 and all(0 <= b < 65536 for b in bits)]


CHECKS = [kernel, illegal_access, hang]
