"""Hidden checks of lesson 03_debuggers: the sessions agree with the run, with the overlay of lesson 02, and with vLLM's source."""

from grading.checks.combine import both
from grading.checks.debuggers_rows import SPANS, inside, lost_rows, overlay_rows, real_rows, value_rows
from grading.submission import Submission
from grading.verdict import Verdict
from labkit.checks import debuggers as visible
from labkit.checks.reading import answer_of, word_of
from labkit.checks.transcripts import hits_shown, python_frames, stops, turns, typed, values_printed
from labkit.learner import symbol
from labkit.rows import Row, row

CALLERS = {"cpu": "_compute_slot_mapping_kernel_impl", "cuda": "reshape_and_cache_flash"}
CORE = "vllm/v1/engine/core.py"
CORE_STEPS = ("step", "step_with_batch_queue")  # the second with async scheduling, which is on where a GPU serves
LAYERS = 30  # SmolLM2-135M
WHO_SHOWS = {"cpu": {"function", "arguments"}, "cuda": {"function"}}


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
            *real_rows(record),
            *lost_rows(record),
            row("SHOWN", given, sorted(WHO_SHOWS[record.lane]), "Which of them had a value or a name in the answers to backtrace, info args and info locals?",
                ok=isinstance(given, list) and {word_of(part, visible.PARTS) for part in given} == WHO_SHOWS[record.lane]),
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
            *real_rows(record),
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
        return [*real_rows(record), *overlay_rows(evidence, record)]

    return both(visible.overlay_stop(evidence), hidden, points)


def condition(submission: Submission, points: float) -> Verdict:
    """At your own stop the values are what the engine must have had there."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        record = evidence.record("debuggers-overlay")
        own, run = visible.own_number(record), visible.run_of(record)
        after = visible.after_condition(turns(record))
        value = values_printed(after)[-1]
        first, last = SPANS[record.lane]
        stop = stops(after)[0].top
        return [
            *real_rows(record),
            *overlay_rows(evidence, record),
            row("stopped at", f"{stop.file}:{stop.line}", f"{visible.SOURCES[record.lane]}, line {first} to {last}", "Set it at PLACE.", ok=inside(stop, record)),
            *value_rows(record, own, value, run.get("prompt_tokens")),
        ]  # fmt: skip

    return both(visible.condition(evidence), hidden, points)


def two_stacks(submission: Submission, points: float) -> Verdict:
    """The Python function that calls the operator, and the file of the engine core's step."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        record, given = evidence.record("debuggers-overlay"), answer_of(evidence, "debuggers-stack-answer")
        frames = [frame for turn in typed(turns(record), "py-bt") for frame in python_frames(turn)]
        inside = [function for file, function in frames if "vllm/" in file]
        core = [file for file, function in frames if function in CORE_STEPS and file.endswith(CORE)]
        return [
            row("the innermost vLLM function of py-bt", inside[0] if inside else "none", CALLERS[record.lane], "Run py-bt at your own stop.", ok=CALLERS[record.lane] in inside[:2]),
            row("the core's step in py-bt", "there" if core else "not there", "there", "Run py-bt at your own stop."),
            row("CALLER", visible.plain(given["caller"]), CALLERS[record.lane], "Which is the first row with a file of vllm/?"),
            row("STEP_FILE", visible.plain(given["step_file"]), CORE, "The front end has a step, too: which is the core's?"),
        ]  # fmt: skip

    return both(visible.two_stacks(evidence), hidden, points)


CHECKS = [init, first_stop, hits, overlay_stop, condition, two_stacks]
