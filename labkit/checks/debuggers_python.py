"""Visible checks of lesson 03_debuggers, the Python half: an engine that hangs, and pdb in its process."""

from dataclasses import dataclass
from typing import Any

from labkit.checks.reading import answer_of, mapping
from labkit.checks.transcripts import Place, turns
from labkit.evidence import Evidence
from labkit.learner import pick, word
from labkit.records import Record
from labkit.rows import Row, VisibleCheck, row, still_about

SCRIPT, CORE = "seats.py", "VLLM::EngineCore"
STEPS = (3, 4, 5, 6)  # the learner's is one of them
WORDS = ("first seat", "second seat", "standing")  # one per prompt
ASKED = ("running", "waiting", "num_scheduled_tokens")  # what the commands at the breakpoint must name
MAIN, MAX_PROCESSES, MAX_THREADS, MAX_FRAMES = "MainThread", 40, 60, 100
AGAIN = "Run the cells again, from the one that starts the engine in the background."


@dataclass(frozen=True)
class Dump:
    """One process that was looked into: its id, and the frames of its main thread, innermost first."""

    pid: int
    frames: tuple[Place, ...]

    @property
    def in_vllm(self) -> Place:
        """The innermost frame in a file of vLLM's, an empty one where there is none."""
        return next((frame for frame in self.frames if frame.file.startswith("vllm/")), Place("", "", 0))


def attach(evidence: Evidence) -> list[Row]:
    """You looked into the processes of an engine that hangs."""
    record, given = evidence.record("debuggers-attach"), answer_of(evidence, "debuggers-attach-answer")
    names = list(dumps_of(record))
    command = record.facts.get("command")
    words = [part for part in command if isinstance(part, str)] if isinstance(command, list) else []
    return [
        row("processes looked into", names, f"{SCRIPT}, {CORE}, …", AGAIN, ok=SCRIPT in names and CORE in names),
        own_words("its prompts", " ".join(words), record),
        row(
            "STEP",
            mine if (mine := str(own_step(record.token))) in words else "another",
            mine,
            "Run the lesson from the cell that picks STEP.",
        ),
        row("CULPRIT", given.get("culprit"), "the name of a process", "Copy it from the table.", ok=given.get("culprit") in names),
        *(
            row(
                name.upper(),
                given.get(name),
                "a function of vLLM's",
                "Copy its name from the stacks, in quotes.",
                ok=_is_name(given.get(name)),
            )
            for name in ("inside", "front_end")
        ),
        still_about(evidence, "debuggers-attach-answer", "debuggers-attach"),
    ]


def pdb(evidence: Evidence) -> list[Row]:
    """You asked the scheduler, at your own step."""
    record, given = evidence.record("debuggers-pdb"), answer_of(evidence, "debuggers-pdb-answer")
    run = mapping(record.facts.get("run"))
    before = [turn.typed for turn in turns(record)]
    counts = {name: given.get(name) for name in ("running", "waiting")}
    return [
        row("exit code", record.exit_code, 0, "Did you end with `continue`? " + AGAIN),
        own_words("prompts", str(run.get("prompts", "")), record),
        row("step", run.get("step"), own_step(record.token), "Run the lesson from the cell that picks STEP."),
        *(
            row(f"asked for {name}", "typed" if any(name in line for line in before) else "not typed", "typed", "Type it into the %%pdb cell, above `continue`. " + AGAIN)
            for name in ASKED
        ),
        row("RUNNING, WAITING", counts, "two whole numbers", "Copy what pdb answered.", ok=all(type(n) is int and 0 <= n < 1000 for n in counts.values())),
        row("SCHEDULED", given.get("scheduled"), "a dictionary: request id -> tokens", "Copy the dictionary that pdb printed.", ok=_is_plan(given.get("scheduled"))),
        still_about(evidence, "debuggers-pdb-answer", "debuggers-pdb"),
    ]  # fmt: skip


def own_step(token: str) -> int:
    """Return the engine step at which this learner stops."""
    return STEPS[pick(token, "step", len(STEPS))]


def own_words(what: str, text: str, record: Record) -> Row:
    """A row that is ok when a text holds the words of the learner's three prompts."""
    own = [word(record.token, purpose) for purpose in WORDS]
    return row(what, text, f"your words: {', '.join(own)}", "Is LEARNER your name? " + AGAIN, ok=all(w in text for w in own))


def dumps_of(record: Record) -> dict[str, Dump]:
    """Return the processes that a record holds, by name. The record is hostile input: what has the wrong shape counts as nothing."""
    found = record.facts.get("processes")
    entries = [entry for entry in found[:MAX_PROCESSES] if isinstance(entry, dict)] if isinstance(found, list) else []
    return {name: _dump(entry) for entry in entries if isinstance(name := entry.get("name"), str) and _is_name(name)}


def _dump(entry: dict[str, Any]) -> Dump:
    threads = entry.get("threads")
    main = (
        next((t for t in threads[:MAX_THREADS] if isinstance(t, dict) and t.get("name") == MAIN), {}) if isinstance(threads, list) else {}
    )
    frames = main.get("frames")
    places = [_place(frame) for frame in frames[:MAX_FRAMES]] if isinstance(frames, list) else []
    pid = entry.get("pid")
    return Dump(pid if type(pid) is int else 0, tuple(place for place in places if place))


def _place(frame: object) -> Place | None:
    if isinstance(frame, list) and len(frame) == 3 and isinstance(frame[0], str) and isinstance(frame[1], str) and type(frame[2]) is int:
        return Place(*frame)
    return None


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 200


def _is_plan(value: object) -> bool:
    return isinstance(value, dict) and 0 < len(value) < 1000 and all(type(tokens) is int for tokens in value.values())


CHECKS: dict[str, VisibleCheck] = {check.__name__: check for check in (attach, pdb)}
