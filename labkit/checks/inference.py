"""Visible checks of lesson 04_first_inference."""

from collections.abc import Mapping

from pydantic import JsonValue

from labkit.checks.reading import is_number, mapping, word_of
from labkit.checks.units import other_unit
from labkit.evidence import Evidence
from labkit.learner import word
from labkit.rows import Row, VisibleCheck, row, still_about

PHASES = ("import", "engine", "prefill", "decode")
NO_STEPS = "Fill the gap in spy.py, then run both cells again."
NO_DICTIONARIES = "`steps` holds something else than dictionaries: append dict(output.num_scheduled_tokens), then run both cells again."


def first_tokens(evidence: Evidence) -> list[Row]:
    """The mended script ran in one process, greedily, and gave exactly the tokens asked for."""
    record = evidence.record("inference-first")
    facts = record.facts
    ids = facts.get("token_ids")
    count = len(ids) if isinstance(ids, list) else 0
    return [
        row("exit code", record.exit_code, 0, "Read the last lines of the run; the log is in work/04_first_inference/logs."),
        row(
            "engine client",
            facts.get("client"),
            "InprocClient",
            "Gap 1: which variable keeps the engine in this process?",
        ),
        row("temperature", facts.get("temperature"), 0.0, "Gap 2: which temperature makes sampling greedy?"),
        row("ignore_eos", facts.get("ignore_eos"), True, "Gap 2: what if the model wants to stop early?"),
        row("tokens generated", count, facts.get("max_tokens"), "Gap 2: ask for int(max_tokens) tokens."),
        _own_words("prompt", str(facts.get("prompt", "")), record.token, ("first word", "second word")),
    ]


def where_time_goes(evidence: Evidence) -> list[Row]:
    """The longest phase of your run and the time of one decode step."""
    answer = _answer(evidence, "inference-time-answer")
    number = answer.get("decode_ms")
    other = other_unit(number, _decode_ms(evidence.record("inference-first").facts), "milliseconds")
    return [
        still_about(evidence, "inference-time-answer", "inference-first"),
        row(
            "LONGEST",
            answer.get("longest"),
            f"one of {', '.join(PHASES)}",
            "Write one of these words, in quotes.",
            ok=bool(word_of(answer.get("longest"), PHASES)),
        ),
        row(
            "DECODE_MS",
            number,
            "a positive number of milliseconds",
            other or "Compute it from phases['decode'].",
            ok=_number(number) and float(str(number)) > 0 and not other,
        ),
    ]


def where_the_scheduler_lives(evidence: Evidence) -> list[Row]:
    """How many processes the engine has in each mode, and which one holds the scheduler."""
    maps = evidence.record("inference-processes").facts
    answer = _answer(evidence, "inference-process-answer")
    counts, scheduler = answer.get("processes"), answer.get("scheduler")
    good = isinstance(counts, dict) and set(counts) == {"on", "off"} and all(type(n) is int for n in counts.values())
    return [
        still_about(evidence, "inference-process-answer", "inference-processes"),
        row("process maps", sorted(maps), ["off", "on"], "Run the cell that runs process_map.py twice."),
        row("PROCESSES", counts, "two numbers, for on and off", 'Write {"on": …, "off": …}.', ok=good),
        row(
            "SCHEDULER",
            scheduler,
            "a name of the table",
            "Copy it from the column name, in quotes.",
            ok=isinstance(scheduler, str) and scheduler.strip() in _processes(maps),
        ),
    ]


def watch_the_scheduler(evidence: Evidence) -> list[Row]:
    """Your spy noted what the scheduler scheduled, step by step."""
    record = evidence.record("inference-steps")
    steps = record.facts.get("steps")
    noted = isinstance(steps, list) and len(steps) > 0 and all(isinstance(step, dict) for step in steps)
    return [
        row("exit code", record.exit_code, 0, "Read the last lines of the run."),
        row(
            "steps noted",
            len(steps) if isinstance(steps, list) else 0,
            "one dictionary per step",
            NO_DICTIONARIES if steps else NO_STEPS,
            ok=noted,
        ),
        _own_words("prompts", str(record.facts.get("prompts", "")), record.token, ("short prompt", "long prompt", "other word")),
    ]


def tokens_per_step(evidence: Evidence) -> list[Row]:
    """What you read from the schedule."""
    steps = evidence.record("inference-steps").facts.get("steps")
    answer = _answer(evidence, "inference-steps-answer")
    numbers = {name: answer.get(name) for name in ("steps", "first", "longer")}
    good = all(isinstance(n, int) and not isinstance(n, bool) for n in numbers.values())
    return [
        still_about(evidence, "inference-steps-answer", "inference-steps"),
        row("schedule", "noted" if steps else "empty", "noted", "Solve the exercise before this one: the spy noted nothing."),
        row("your answers", numbers, "three whole numbers", "Read them from the table.", ok=good),
    ]


def _decode_ms(facts: Mapping[str, JsonValue]) -> float | None:
    """Milliseconds per decode step, None where the record does not say."""
    first, last, ids = (facts.get(name) for name in ("first_token_ts", "last_token_ts", "token_ids"))
    if not (is_number(first) and is_number(last) and isinstance(ids, list) and len(ids) > 1):
        return None
    return (float(str(last)) - float(str(first))) * 1000 / (len(ids) - 1)


def _processes(maps: Mapping[str, JsonValue]) -> set[str]:
    """The names of the processes in both maps; what is malformed is left out."""
    found = [mapping(maps.get(mode)).get("processes") for mode in ("on", "off")]
    return {str(one.get("name")) for each in found if isinstance(each, list) for one in each if isinstance(one, dict)}


def _answer(evidence: Evidence, record_id: str) -> dict[str, JsonValue]:
    answer = evidence.record(record_id).facts.get("answer")
    return answer if isinstance(answer, dict) else {}


def _own_words(what: str, text: str, token: str, purposes: tuple[str, ...]) -> Row:
    """A row that is ok when the text holds the learner's own words."""
    own = [word(token, purpose) for purpose in purposes]
    return row(what, text, f"your words: {', '.join(own)}", "Run the cell that makes the prompt again.", ok=all(w in text for w in own))


def _number(value: JsonValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


CHECKS: dict[str, VisibleCheck] = {
    check.__name__: check for check in (first_tokens, where_time_goes, where_the_scheduler_lives, watch_the_scheduler, tokens_per_step)
}
