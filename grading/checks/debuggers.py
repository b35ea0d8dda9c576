"""Hidden checks of lesson 03_debuggers: the sessions agree with the run, with the overlay of lesson 02, and with vLLM's source."""

from grading.checks.combine import both
from grading.submission import Submission
from grading.verdict import Verdict
from labkit.checks import debuggers as visible
from labkit.checks.build import defined_as
from labkit.checks.reading import answer_of, own_library
from labkit.checks.transcripts import Place, hits_shown, python_frames, stops, turns, typed, values_printed
from labkit.evidence import Evidence
from labkit.learner import symbol, word
from labkit.overlay_elf import read_overlay
from labkit.records import Record
from labkit.rows import Row, row

# Facts of vLLM 0.32.0's sdist: first and last line of FUNCTIONS in SOURCES.
SPANS = {"cpu": (116, 149), "cuda": (819, 912)}
CALLERS = {"cpu": "_compute_slot_mapping_kernel_impl", "cuda": "reshape_and_cache_flash"}
CORE = "vllm/v1/engine/core.py"
LAYERS = 30  # SmolLM2-135M
BLOCK = 128  # tokens per block of the KV cache, vLLM's default on a CPU
WHO_SHOWS = {"cpu": {"function", "arguments"}, "cuda": {"function"}}
FEW_FRAMES = 8  # a stop inside a real inference has dozens


def init(submission: Submission, points: float) -> Verdict:
    """`step` went from line to line of your own function, with a glob of yours."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        record = evidence.record("debuggers-init")
        dialogue = turns(record)
        lines = [
            turn.top.line
            for turn in dialogue
            if turn.command == "step" and turn.stop and turn.top.function.startswith(symbol(record.token))
        ]
        globs = [turn.typed.partition("-gfi ")[2] for turn in typed(dialogue, "skip") if "-gfi" in turn.typed]
        return [
            row("skips by glob", globs, "one", "One `skip -gfi`, as the lesson types it.", ok=len(globs) == 1),
            row("lines stepped to", lines, "4, 5, 6: the function's own", "Step three times from the breakpoint.", ok=lines[:3] == [4, 5, 6]),
        ]  # fmt: skip

    return both(visible.init(evidence), hidden, points)


def first_stop(submission: Submission, points: float) -> Verdict:
    """You stopped in the installed library, deep inside an inference, and say what gdb could show of it."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        record = evidence.record("debuggers-wheel")
        given = evidence.record("debuggers-shown-answer").facts.get("answer")
        return [
            *_real(record),
            row("SHOWN", given, sorted(WHO_SHOWS[record.lane]), "Which of them had a value or a name in the answers to backtrace, info args and info locals?",
                ok=isinstance(given, list) and set(map(str, given)) == WHO_SHOWS[record.lane]),
        ]  # fmt: skip

    return both(visible.first_stop(evidence), hidden, points)


def hits(submission: Submission, points: float) -> Verdict:
    """The calls that gdb counted are layers x steps of your run (on a GPU, with the engine's warm-up)."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        record, given = evidence.record("debuggers-wheel"), answer_of(evidence, "debuggers-hits-answer")
        counts = [count for turn in turns(record) for count in hits_shown(turn)]
        steps = visible.TOKENS
        expected = {LAYERS * steps} if record.lane == "cpu" else {LAYERS * (steps + 1) - 1, LAYERS * (steps + 1)}
        return [
            *_real(record),
            row("layers of the run", visible.run_of(record).get("layers"), LAYERS, "Run the session with the course's model."),
            row("hits that gdb counted", counts[-1], f"layers x steps: {sorted(expected)}", "Set the breakpoint at the first stop, and let it run to the end.",
                ok=counts[-1] in expected),
            row("LAYERS, STEPS", [given["layers"], given["steps"]], [LAYERS, steps], "Does the step that takes the prompt not make the first token?"),
            row("HITS", given["hits"], counts[-1], "What does info breakpoints say?"),
        ]  # fmt: skip

    return both(visible.hits(evidence), hidden, points)


def overlay_stop(submission: Submission, points: float) -> Verdict:
    """The build that you stopped in is the one of lesson 02, and its lines are those of vLLM's source."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        record = evidence.record("debuggers-overlay")
        return [*_real(record), *_in_the_overlay(evidence, record)]

    return both(visible.overlay_stop(evidence), hidden, points)


def condition(submission: Submission, points: float) -> Verdict:
    """At your own stop the values are what the engine must have had there."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        record = evidence.record("debuggers-overlay")
        own, run = visible.own_number(record), visible.run_of(record)
        after = visible.after_condition(turns(record))
        value = values_printed(after)[1]
        first, last = SPANS[record.lane]
        stop = stops(after)[0].top
        return [
            *_real(record),
            *_in_the_overlay(evidence, record),
            row("stopped at", f"{stop.file}:{stop.line}", f"{visible.SOURCES[record.lane]}, line {first} to {last}", "Set it at PLACE.", ok=_inside(stop, record)),
            *_value_rows(record, own, value, run.get("prompt_tokens")),
        ]  # fmt: skip

    return both(visible.condition(evidence), hidden, points)


def two_stacks(submission: Submission, points: float) -> Verdict:
    """The Python function that calls the operator, and the file of the engine core's step."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        record, given = evidence.record("debuggers-overlay"), answer_of(evidence, "debuggers-stack-answer")
        frames = [frame for turn in typed(turns(record), "py-bt") for frame in python_frames(turn)]
        inside = [function for file, function in frames if "vllm/" in file]
        core = [file for file, function in frames if function == "step" and file.endswith(CORE)]
        return [
            row("the innermost vLLM function of py-bt", inside[0] if inside else "none", CALLERS[record.lane], "Run py-bt at your own stop.", ok=CALLERS[record.lane] in inside[:2]),
            row("EngineCore.step in py-bt", "there" if core else "not there", "there", "Run py-bt at your own stop."),
            row("CALLER", given["caller"], CALLERS[record.lane], "Which is the first row with a file of vllm/?"),
            row("STEP_FILE", given["step_file"], CORE, "There are two functions `step`: which is the core's?"),
        ]  # fmt: skip

    return both(visible.two_stacks(evidence), hidden, points)


def _real(record: Record) -> list[Row]:
    """Rows on the run behind a session: the learner's own prompt, a stack as deep as an inference's."""
    run = visible.run_of(record)
    own = [word(record.token, purpose) for purpose in ("harbour", "visitor")]
    deepest = max((len(turn.frames) for turn in stops(turns(record))), default=0)
    return [
        row("prompt", [w in str(run.get("prompt")) for w in own], [True, True], "Run the session with the lesson's prompt."),
        row("frames of the stop", deepest, f"more than {FEW_FRAMES}", visible.AGAIN, ok=deepest > FEW_FRAMES),
        row("lane", record.lane == "cuda", record.machine.gpu is not None, "Run the lesson again: lane and GPU of the record do not fit."),
    ]


def _in_the_overlay(evidence: Evidence, record: Record) -> list[Row]:
    """Rows on the stops: in the library that lesson 02 recorded, at lines of the function."""
    library = read_overlay(*own_library(evidence, evidence.record("build-overlay")))
    function = visible.FUNCTIONS[record.lane]
    mine = [turn for turn in turns(record) if turn.stop and turn.top.function.partition("(")[0] == function]
    strange = [f"{turn.top.file}:{turn.top.line}" for turn in mine if not _inside(turn.top, record)]
    return [
        row("build-id in the process", visible.overlay_in(record)[:12], library.build_id[:12], "Build the overlay of lesson 02, step 1, and record it; then run this session again."),
        row("function in the overlay", bool(defined_as(library, function)), True, "Which function's overlay did lesson 02 record?"),
        row("stops outside of the function", strange, [], visible.AGAIN),
    ]  # fmt: skip


def _inside(place: Place, record: Record) -> bool:
    first, last = SPANS[record.lane]
    return place.file.endswith(visible.SOURCES[record.lane]) and first <= place.line <= last


def _value_rows(record: Record, own: int, value: int, prompt_tokens: object) -> list[Row]:
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


CHECKS = [init, first_stop, hits, overlay_stop, condition, two_stacks]
