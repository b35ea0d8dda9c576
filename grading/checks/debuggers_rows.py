"""Rows that several of lesson 03's hidden checks share: a session belongs to a real inference, and its stops to the learner's overlay."""

from grading.checks.build import WHEEL_IDS
from labkit.checks import debuggers as visible
from labkit.checks.build import defined_as
from labkit.checks.reading import own_library
from labkit.checks.transcripts import Place, locals_shown, stops, turns, typed, values_seen
from labkit.evidence import Evidence
from labkit.learner import word
from labkit.overlay_elf import named, read_overlay
from labkit.records import Record
from labkit.rows import Row, row

# Facts of vLLM 0.32.0's sdist: first and last line of FUNCTIONS in SOURCES.
SPANS = {"cpu": (116, 149), "cuda": (819, 889)}
LOCALS = {  # of FUNCTIONS, as the source declares them
    "cpu": ("req_num", "block_table_stride", "query_start_loc_ptr", "positions_ptr", "blocktable_ptr", "slot_mapping_ptr"),
    "cuda": ("num_tokens", "num_heads", "head_size"),
}
BLOCK = 128  # tokens per block of the KV cache, vLLM's default on a CPU
FEW_FRAMES = 8  # a stop inside a real inference has dozens


def real_rows(record: Record) -> list[Row]:
    """Rows on the run behind a session: the learner's own prompt, ten tokens, a stack as deep as an inference's, the wheel's library."""
    run, dialogue = visible.run_of(record), turns(record)
    own = [word(record.token, purpose) for purpose in ("harbour", "visitor")]
    made = run.get("token_ids")
    good = isinstance(made, list) and all(type(token) is int for token in made) and len(set(made)) > 1
    deepest = max((len(turn.frames) for turn in stops(dialogue)), default=0)
    shown = [turn.said for turn in typed(dialogue, "backtrace")]
    return [
        row("prompt", [w in str(run.get("prompt")) for w in own], [True, True], "Run the session with the lesson's prompt."),
        row("tokens", made, "ten token ids", visible.AGAIN, ok=good),
        row("ended", [turn.stop for turn in dialogue if turn.stop.startswith("exited")], ["exited-normally"], "Let the program run to its end: delete, then continue."),
        row("frames of the stop", deepest, f"more than {FEW_FRAMES}", visible.AGAIN, ok=deepest > FEW_FRAMES),
        row("backtrace begins with", [said.partition("\n")[0][:40] for said in shown], "#0 and the function", visible.AGAIN, ok=any(said.startswith("#0") for said in shown)),
        row("the wheel's library in the process", _wheel_ids(record), "that of the pinned wheel", visible.AGAIN, ok=bool(_wheel_ids(record))),
        row("lane", record.lane == "cuda", record.machine.gpu is not None, "Run the lesson again: lane and GPU of the record do not fit."),
    ]  # fmt: skip


def _wheel_ids(record: Record) -> list[str]:
    """The wheel's libraries that were mapped with the build-id that they have in the pinned wheel."""
    found = record.facts.get("mapped")
    pairs = [pair for pair in found if isinstance(pair, list) and len(pair) == 2] if isinstance(found, list) else []
    return [str(name) for name, build_id in pairs if WHEEL_IDS.get(str(name)) == build_id]


def lost_rows(record: Record) -> list[Row]:
    """Rows on what the installed library shows: on the CPU lane all locals lost, on CUDA nothing but names."""
    said = " ".join(turn.said for turn in typed(turns(record), "info locals"))
    expected = [f"{name} = <optimized out>" for name in LOCALS["cpu"]] if record.lane == "cpu" else ["No symbol table info available"]
    missing = [text for text in expected if text not in said]
    return [
        row(
            "info locals",
            missing or "as it must be",
            "what the installed library shows there",
            "Run the cell after your stop again.",
            ok=not missing,
        )
    ]


def overlay_rows(evidence: Evidence, record: Record) -> list[Row]:
    """Rows on the stops: in the library that lesson 02 recorded, at lines of the function, with its locals, and the wheel's tokens."""
    data, name = own_library(evidence, evidence.record("build-overlay"))
    library, function, dialogue = read_overlay(data, name), visible.FUNCTIONS[record.lane], turns(record)
    mine = [turn for turn in dialogue if turn.stop and turn.top.function.partition("(")[0] == function]
    strange = [f"{turn.top.file}:{turn.top.line}" for turn in mine if not inside(turn.top, record)]
    seen = {local for turn in typed(dialogue, "info locals") for local in locals_shown(turn)}
    known = named(data, LOCALS[record.lane], name)
    absent = [local for local in LOCALS[record.lane] if local not in seen or local not in known]
    changed = [value for turn in stops(dialogue, "watchpoint-trigger") for value in values_seen(turn)]
    wheel = visible.run_of(evidence.record("debuggers-wheel")) if evidence.has("debuggers-wheel") else visible.run_of(record)
    again = [wheel.get(key) == visible.run_of(record).get(key) for key in ("prompt_tokens", "token_ids")]
    return [
        row("build-id in the process", visible.overlay_in(record)[:12], library.build_id[:12], "Build the overlay of lesson 02, step 1, and record it; then run this session again."),
        row("function in the overlay", bool(defined_as(library, function)), True, "Which function's overlay did lesson 02 record?"),
        row("stops outside of the function", strange, [], visible.AGAIN),
        row("locals that neither gdb nor your overlay shows", absent, [], "info locals at the stop in the function."),
        row("the watched value became", changed, "a number", "watch -l, with your lane's VALUE, then continue.", ok=bool(changed)),
        row("prompt and tokens as in the session before", again, [True, True], "Run both sessions with the lesson's prompt, step 2 first."),
    ]  # fmt: skip


def inside(place: Place, record: Record) -> bool:
    """Whether a stop is at a line of the lane's function."""
    first, last = SPANS[record.lane]
    return place.file.endswith(visible.SOURCES[record.lane]) and first <= place.line <= last


def value_rows(record: Record, own: int, value: int, prompt_tokens: object) -> list[Row]:
    """What VALUE must be at the learner's stop: the slot of that position, or the model's number of key heads."""
    if record.lane == "cuda":
        return [row("num_heads", value, 3, "Print it after the line that sets it: SmolLM2-135M has 3 key heads.")]
    good = value >= BLOCK and value % BLOCK == own
    later = isinstance(prompt_tokens, int) and prompt_tokens <= own
    return [
        row(
            "slot_mapping_ptr[0]",
            value,
            f"a slot: block x {BLOCK} + {own}, block 1 or later",
            "Print it after the loop has run: next 2.",
            ok=good,
        ),
        row("a decode step", later, True, "Run the session with the lesson's prompt."),
    ]
