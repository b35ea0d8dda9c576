"""Hidden checks of lesson 06_exercises, part 2: the marks, the script's clock and the answers agree with the trace."""

from operator import countOf
from typing import Any

from grading.checks.combine import both
from grading.checks.markers_plausible import plausible
from grading.checks.profile_consistency import ATTENTION_OP, ENGINE_RANGE, layers_of
from grading.submission import Submission
from grading.verdict import Verdict
from labkit.checks import exercises_markers as visible
from labkit.checks.exercises_markers import ANSWER, REQUESTS, Marks, events_in, marks, requests_of
from labkit.checks.reading import answer_of, is_number, word_of
from labkit.learner import word
from labkit.rows import Row, row
from labkit.trace.analysis import NAME, launched_by, ops_in, within
from labkit.trace.model import Range
from labkit.trace.names import role

LESSON = "exercises"
AGAIN = "Run the cell that profiles once more, and do not edit what it records."
CLOSE = 0.006  # a learner may round to three digits
SLOWER, SLACK_NS = 1.05, 2_000_000  # the script reads its clock outside the range
TOKENS = 6  # of each request
MOST_LAYERS = 1000


def markers(submission: Submission, points: float) -> Verdict:
    """Ranges of yours, nested and closed in time, hold the phases of each request, and you read from them where its time goes."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        mine, answer = marks(evidence), answer_of(evidence, ANSWER)
        return [*_is_that_run(mine), *_agrees(mine), *_work(mine), *plausible(mine), *_answers(mine, answer)]

    return both(visible.markers(evidence), hidden, points)


def _is_that_run(mine: Marks) -> list[Row]:
    record, label = mine.record, str(mine.facts.get("label"))
    story = word(record.token, "marked story")
    told = sum(story in part for part in record.command)
    old, after = mine.named("old"), mine.named("next")
    leaks = len(old) == len(after) == 1 and after[0] in mine.inside(old[0]) and mine.facts.get("leaked") == 1
    return [
        row("command", [part for part in ("markers.py", label) if part not in record.command], [], AGAIN, ok={"markers.py", label} <= {*record.command}),
        row("prompts with your word", told, 3, AGAIN),
        row("lane", "cuda" if record.machine.gpu else "cpu", record.lane, AGAIN),
        row("the old way leaks", leaks, True, f"markers.py tries it first: leave that part as it is. {AGAIN}"),
        row("ranges left open at the end", mine.facts.get("left_open"), 0, "Gap 1: each range that is opened is closed once."),
    ]  # fmt: skip


def _agrees(mine: Marks) -> list[Row]:
    """Rows that fail for a trace whose ranges do not fit the script's clock and token counts."""
    noted, rows = requests_of(mine.facts), []
    for name, span in mine.requests.items():
        seconds, tokens = noted[name].get("seconds"), TOKENS if "decode" in REQUESTS[name] else 0
        fits = is_number(seconds) and _same_time(span.end - span.start, float(str(seconds)) * 1e9)
        rows.append(row(f"{name}: the script's clock", "agrees" if fits else "differs", "agrees", AGAIN))
        rows.append(row(f"{name}: tokens", noted[name].get("tokens"), tokens, AGAIN))
    one_thread = len({span.thread for span in mine.ranges}) == 1
    order = [span.name for span in sorted(mine.requests.values(), key=lambda span: span.start)]
    total = sum(span.end - span.start for span in mine.requests.values()) / 1e9
    return [
        *rows,
        row("threads of your ranges", "one" if one_thread else "several", "one", AGAIN),
        row("order of the requests", order, list(REQUESTS), AGAIN),
        row("time of the run", total < mine.record.seconds, True, AGAIN),
    ]


def _same_time(in_trace: int, by_script: float) -> bool:
    return in_trace <= by_script * SLOWER + SLACK_NS and by_script <= in_trace * SLOWER + SLACK_NS


def _work(mine: Marks) -> list[Row]:
    """Rows on what the phases hold: one engine step in a prefill, five in a decode, each with attention in every layer."""
    layers, rows = layers_of(mine.facts), []
    engine = [span for span in mine.trace.ranges if span.name == ENGINE_RANGE]
    for request in ("short", "long"):
        for phase, steps in (("prefill", 1), ("decode", TOKENS - 1)):
            span = mine.phase(request, phase)
            seen, least = _attention(mine, span), steps * layers
            good = seen == least if not mine.trace.work else seen >= least
            rows.append(
                row(
                    f"{request}: engine steps in {phase}",
                    len(within(engine, span)),
                    steps,
                    f"Gap 2: prefill is the first step only. {AGAIN}",
                )
            )
            rows.append(row(f"{request}: attention in {phase}", seen, f"{least}, once per layer and step", AGAIN, ok=good and layers > 0))
    return rows  # fmt: skip


def _attention(mine: Marks, span: Range) -> int:
    if mine.trace.work:
        return sum(role(item.name) == "attention" for item in launched_by(mine.trace, span))
    return countOf(map(NAME, ops_in(mine.trace, span)), ATTENTION_OP)


def _answers(mine: Marks, answer: dict[str, Any]) -> list[Row]:
    span, prefill, decode = mine.requests["long"], mine.phase("long", "prefill"), mine.phase("long", "decode")
    true = 100 * (prefill.end - prefill.start) / (span.end - span.start)
    given, events = float(answer["prefill_percent"]), events_in(mine.trace, decode)
    return [
        row("PREFILL_PERCENT", f"{given:.4g}", f"{true:.4g}", _percent_advice(mine, given, true), ok=_near(given, true)),
        row("DECODE_EVENTS", answer["decode_events"], events, _events_advice(mine, answer["decode_events"])),
        row("IN_THE_SCRIPT", word_of(answer["in_the_script"], visible.SEEN), "none", "Who launches the kernels when the engine is a process of its own? A range belongs to a thread of the process that opened it."),
    ]  # fmt: skip


def _near(given: float, true: float) -> bool:
    return abs(given - true) <= max(CLOSE * true, 0.06)


def _percent_advice(mine: Marks, given: float, true: float) -> str:
    """Name the misconception behind a wrong share."""
    short, prefill = mine.requests["short"], mine.phase("short", "prefill")
    if _near(100 * given, true):
        return "That is a fraction. How many per cent is it?"
    if _near(given, 100 * (prefill.end - prefill.start) / (short.end - short.start)):
        return "That is the share in the request `short`."
    if _near(given, 100 - true):
        return "That is the share of the rest, most of it decode."
    return "The prefill's time over the time of its request, `long`: the third column of its row."


def _events_advice(mine: Marks, given: object) -> str:
    """Name the misconception behind a wrong count."""
    decode = events_in(mine.trace, mine.phase("long", "decode"))
    told = {
        events_in(mine.trace, mine.requests["long"]): "That is the whole request: without its prefill?",
        events_in(mine.trace, mine.phase("long", "prefill")): "That is the prefill.",
        events_in(mine.trace, mine.phase("short", "decode")): "That is the decode of `short`.",
        decode // (TOKENS - 1): "That is one decode step. How many are there in all?",
    }
    return told.get(given if isinstance(given, int) else -1, "The last column of the row `decode` under `long`.")


CHECKS = [markers]
