"""Visible checks of lesson 03_debuggers: gdb in the engine's C++, in the wheel's build and in the learner's own."""

import re
from typing import Any

from labkit.checks import debuggers_cuda, debuggers_python, debuggers_vscode
from labkit.checks.reading import answer_of, mapping, word_of
from labkit.checks.transcripts import Said, hits_shown, locals_shown, stops, turns, typed, values_printed
from labkit.evidence import Evidence
from labkit.learner import pick, symbol
from labkit.records import Record
from labkit.rows import Row, VisibleCheck, row, still_about

FUNCTIONS = {"cpu": "compute_slot_mapping_kernel_impl", "cuda": "reshape_and_cache_flash"}
COUNTED = {"cpu": "cpu_attention_with_kv_cache", "cuda": "reshape_and_cache_flash"}
SOURCES = {"cpu": "csrc/cpu/utils.cpp", "cuda": "csrc/cache_kernels.cu"}
VARIABLES = {"cpu": "positions_ptr[0]", "cuda": "num_tokens"}
POSITIONS = (12, 13, 14)
TOKENS = 10
IF = re.compile(r"\bif\b")
PARTS = {"function", "arguments", "locals"}
AGAIN = "Run the session again, from the cell that starts gdb."


def init(evidence: Evidence) -> list[Row]:
    """`step` stays out of the standard library."""
    record = evidence.record("debuggers-init")
    dialogue, mine = turns(record), symbol(record.token)
    reached = [turn for turn in dialogue if turn.command == "step" and turn.stop]
    outside = sorted({turn.top.file for turn in reached if not turn.top.file.endswith("toy.cpp")})
    return [
        row("stopped in", stopped_in(dialogue, mine), mine, "Run the four cells, from the one that compiles.", ok=stopped_in(dialogue, mine) == mine),
        row("your skip", "typed" if typed(dialogue, "skip") else "not typed", "typed", "Run the cell with the session."),
        row("steps", len(reached), "3", "Run the cell with the session.", ok=len(reached) >= 3),
        row("where they led", ", ".join(outside)[-90:] or ("toy.cpp" if reached else "nowhere"), "toy.cpp", "Does each star of your glob stand for one part without a slash?"),
    ]  # fmt: skip


def first_stop(evidence: Evidence) -> list[Row]:
    """You stopped in vLLM's C++ in a real inference, in the library as it was installed."""
    record = evidence.record("debuggers-wheel")
    dialogue, function = turns(record), FUNCTIONS[record.lane]
    given = evidence.record("debuggers-shown-answer").facts.get("answer")
    return [
        row("stopped in", stopped_in(dialogue, function), function, "Two commands: break, with your lane's FUNCTION, and run."),
        row("backtrace", len(typed(dialogue, "backtrace")), "one", "Run the cell after yours.", ok=bool(typed(dialogue, "backtrace"))),
        row("overlay", overlay_in(record) or "none", "none", "Start gdb outside of any `with overlay.active()`.", ok=not overlay_in(record)),
        *run_rows(record),
        row("SHOWN", given, "a set of function, arguments, locals", 'Write a set of these words: {"…", "…"}.', ok=isinstance(given, list) and {word_of(part, PARTS) for part in given} <= PARTS),
    ]  # fmt: skip


def hits(evidence: Evidence) -> list[Row]:
    """gdb counted the calls of one function until ten tokens were made."""
    record, given = evidence.record("debuggers-wheel"), answer_of(evidence, "debuggers-hits-answer")
    counts = [count for turn in turns(record) for count in hits_shown(turn)]
    numbers = [given.get(name) for name in ("layers", "steps", "hits")]
    return [
        row("counted", COUNTED[record.lane] if breaks_at(record, COUNTED[record.lane]) else "something else", COUNTED[record.lane], "Set a breakpoint on COUNTED."),
        row("info breakpoints", f"{counts[-1]} hits" if counts else "no hits shown", "hits", "Have it ignored, continue, then ask.", ok=bool(counts)),
        row("LAYERS, STEPS, HITS", numbers, "three whole numbers", "Layers and tokens are printed above, and gdb says the hits.", ok=all(type(n) is int for n in numbers)),
        still_about(evidence, "debuggers-hits-answer", "debuggers-wheel"),
    ]  # fmt: skip


def overlay_stop(evidence: Evidence) -> list[Row]:
    """You stopped in your own build, read its locals, stepped, and saw a value change."""
    record = evidence.record("debuggers-overlay")
    dialogue, function = turns(record), FUNCTIONS[record.lane]
    looked = [shown for turn in typed(dialogue, "info locals") if (shown := locals_shown(turn))]
    lost = sum("<optimized out>" in value for seen in looked for value in seen.values())
    watched = stops(dialogue, "watchpoint-trigger")
    stepped = len(stops(dialogue, "end-stepping-range"))
    return [
        row("stopped in", stopped_in(dialogue, function), function, "tbreak, with your lane's FUNCTION, and run."),
        row("at a line of", file_of(dialogue, function) or "nothing", SOURCES[record.lane], "Is the overlay built, and gdb started inside `with overlay.active()`?",
            ok=file_of(dialogue, function).endswith(SOURCES[record.lane])),
        row("overlay in the process", overlay_in(record) or "none", "yours", AGAIN, ok=bool(overlay_in(record))),
        row("locals", f"{len(looked)} looks, {lost} values optimized out", "two looks, nothing optimized out", "info locals before and after `next`.",
            ok=len(looked) >= 2 and not lost),
        row("steps", stepped, "one or more", "next, with your lane's LINES.", ok=stepped > 0),
        row("watched", f"{len(watched)} changes seen", "one or more", "watch -l, with your lane's VALUE, then continue.", ok=bool(watched)),
        *run_rows(record),
    ]  # fmt: skip


def condition(evidence: Evidence) -> list[Row]:
    """The program stopped only where your own condition held."""
    record = evidence.record("debuggers-overlay")
    own, variable = own_number(record), VARIABLES[record.lane]
    asked = [turn.typed for turn in typed(turns(record), "break") if IF.search(turn.typed)]
    after = after_condition(turns(record))
    printed = values_printed(after)
    return [
        row("breakpoint with a condition", asked[-1] if asked else "none", f"break … if {variable} == {own}", "break PLACE if CONDITION", ok=asks_for(asked, own)),
        row("stopped there", len(stops(after)), "one stop or more", "continue, after the breakpoint is set.", ok=bool(stops(after))),
        row("printed", printed[:2], f"{own}, then your lane's VALUE", "print the variable, next 2, print VALUE.", ok=own in printed[:-1]),
    ]  # fmt: skip


def two_stacks(evidence: Evidence) -> list[Row]:
    """You read who called the operator, in Python, from a stop in C++."""
    record, given = evidence.record("debuggers-overlay"), answer_of(evidence, "debuggers-stack-answer")
    dialogue = turns(record)
    good = {name: isinstance(given.get(name), str) and 0 < len(str(given.get(name))) < 200 for name in ("caller", "step_file")}
    return [
        row("py-bt", len(typed(dialogue, "py-bt")), "one", "Run the cell with py-bt while the program is stopped.", ok=bool(typed(dialogue, "py-bt"))),
        row("CALLER", given.get("caller"), "the name of a function", "Copy it from the list.", ok=good["caller"]),
        row("STEP_FILE", given.get("step_file"), "a path from vllm/ on", "Copy it from the list.", ok=good["step_file"] and str(given.get("step_file")).startswith("vllm/")),
        still_about(evidence, "debuggers-stack-answer", "debuggers-overlay"),
    ]  # fmt: skip


def stopped_in(dialogue: list[Said], function: str) -> str:
    """Return `function` when a breakpoint stopped in it, else where one did, "nowhere" without a stop."""
    places = [turn.top.function for turn in stops(dialogue)]
    return function if any(place.partition("(")[0] == function for place in places) else (places[0][:80] if places else "nowhere")


def file_of(dialogue: list[Said], function: str) -> str:
    """Return the source file of the first stop in a function, "" without one."""
    return next((turn.top.file for turn in stops(dialogue) if turn.top.function.partition("(")[0] == function), "")


def overlay_in(record: Record) -> str:
    """Return the build-id of the overlay that was mapped in a session, "" when there was none."""
    found = record.facts.get("mapped")
    pairs = [pair for pair in found if isinstance(pair, list) and len(pair) == 2] if isinstance(found, list) else []
    return next((str(pair[1]) for pair in pairs if str(pair[0]) == f"liboverlay_{FUNCTIONS[record.lane]}.so"), "")


def plain(value: object) -> str:
    """Return a function's name or a path as a list shows it, without brackets and line number."""
    return re.sub(r"(\(\)|:(\d+|\?))$", "", str(value).strip())


def run_of(record: Record) -> dict[str, Any]:
    """Return what the program of a session wrote about its run, {} when it did not come so far."""
    return mapping(record.facts.get("run"))


def run_rows(record: Record) -> list[Row]:
    """Rows about the program of a session: it ran to its end."""
    made = run_of(record).get("token_ids")
    return [
        row(
            "tokens made",
            len(made) if isinstance(made, list) else 0,
            TOKENS,
            "Let it run to its end: delete, continue. Is the session closed? Then once more from the cell that starts gdb.",
        )
    ]


def own_number(record: Record) -> int:
    """Return the learner's own number: a position on the CPU lane, the length of the prompt on CUDA."""
    if record.lane == "cpu":
        return POSITIONS[pick(record.token, "position", len(POSITIONS))]
    found = run_of(record).get("prompt_tokens")
    return found if type(found) is int else 0


def after_condition(dialogue: list[Said]) -> list[Said]:
    """Return the turns that follow the last breakpoint with a condition."""
    places = [number for number, turn in enumerate(dialogue) if turn.command in ("break", "tbreak") and IF.search(turn.typed)]
    return dialogue[places[-1] + 1 :] if places else []


def asks_for(asked: list[str], own: int) -> bool:
    """Whether the last condition compares something with the learner's number, and allows nothing else."""
    condition = IF.split(asked[-1], maxsplit=1)[-1] if asked else ""
    return "==" in condition and "||" not in condition and str(own) in re.findall(r"\d+", condition)


def breaks_at(record: Record, function: str) -> bool:
    """Whether a breakpoint was set on a function."""
    return any(turn.typed.split()[-1] == function for turn in typed(turns(record), "break", "tbreak"))


CHECKS: dict[str, VisibleCheck] = {
    **{check.__name__: check for check in (init, first_stop, hits, overlay_stop, condition, two_stacks)},
    **debuggers_python.CHECKS,
    **debuggers_cuda.CHECKS,
    **debuggers_vscode.CHECKS,
}
