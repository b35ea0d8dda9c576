"""Hidden checks of lesson 06_exercises, part 3: the learner's function, and answers that agree with the records of both runs."""

import hashlib
import random
from typing import Any

from grading.cases import Case, same, verdict_of
from grading.checks.combine import both
from grading.checks.exercises_memory_facts import Memory, consistent, expected_bytes, runs_of
from grading.checks.memory_plausible import plausible
from grading.sandbox import run_function
from grading.submission import Submission
from grading.verdict import Verdict
from labkit.checks import exercises_memory as visible
from labkit.checks.exercises_memory import GB, GIB, MIB, kv_advice
from labkit.checks.reading import answer_of, word_of
from labkit.evidence import Evidence
from labkit.rows import Row, row

LESSON = "exercises"
NOTEBOOK, CELL, FUNCTION = "06_exercises", "answer-exercises-kv_bytes", "kv_bytes_per_token"
CLOSE, SLACK_MIB = 0.006, 0.06  # a learner rounds to three digits, or to a tenth of a MiB
HIDDEN_CASES = 16


def kv_bytes(submission: Submission, points: float) -> Verdict:
    """Your function predicts the bytes of keys and values per token of any such model, and the engine's own pool agrees."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        runs = runs_of(evidence)
        answer = answer_of(evidence, "exercises-kv_bytes-answer")
        true = expected_bytes(runs["two"].config.model_dump(), runs["two"].bytes_per_value)
        return [
            *_records(evidence, runs),
            row("PREDICTED", answer["predicted"], true, 'Call your function with two["config"] and two["bytes_per_value"].'),
            row(
                "MEASURED",
                answer["measured"],
                true,
                _measured_advice(answer["measured"], true, runs),
                ok=abs(answer["measured"] - true) < 0.5,
            ),
        ]

    shown = both(visible.kv_bytes(evidence), hidden, points)
    return _called(submission, points) if shown.state == "passed" else shown


def memory(submission: Submission, points: float) -> Verdict:
    """You know how large weights and KV-cache pool are, which process holds them, what the script's own sees, and what generating adds."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        runs = runs_of(evidence)
        answer, two = answer_of(evidence, "exercises-memory-answer"), runs["two"]
        own = _grown(two)
        return [
            *_records(evidence, runs),
            row("WEIGHTS_GIB", f"{answer['weights_gib']:.4g}", f"{two.weights / GIB:.4g}", _weights_advice(answer["weights_gib"], two), ok=_near(answer["weights_gib"], two.weights / GIB)),
            row("POOL_GIB", f"{answer['pool_gib']:.4g}", f"{two.after.pool / GIB:.4g}", _pool_advice(answer["pool_gib"], runs), ok=_near(answer["pool_gib"], two.after.pool / GIB)),
            row("HOLDER", answer["holder"].strip(), two.after.process, _holder_advice(answer["holder"].strip(), two)),
            row("OWN_MIB", f"{answer['own_mib']:.4g}", f"{own / MIB:.4g}", _own_advice(answer["own_mib"], runs), ok=_near(answer["own_mib"], own / MIB, SLACK_MIB)),
            row("GREW", word_of(answer["grew"], visible.GROWN), "neither", "Compare the pool before and after: it was taken whole when the engine started. Generating fills it, and takes no more."),
        ]  # fmt: skip

    return both(visible.memory(evidence), hidden, points)


def _records(evidence: Evidence, runs: dict[str, Memory]) -> list[Row]:
    """Rows on both records: whether they fit each other and the lesson, and whether any run can have left them."""
    rows = [plausible(evidence.record(visible.record_of(mode)), mode, facts) for mode, facts in runs.items()]
    return [*consistent(evidence, runs), *(row for each in rows for row in each)]


def _called(submission: Submission, points: float) -> Verdict:
    """Call the learner's function in the sandbox; the first result that differs is told with the misconception behind it."""
    cases = _cases(submission.learner)
    outcome = run_function(submission.solution(NOTEBOOK, CELL), FUNCTION, [case.arguments for case in cases])
    verdict = verdict_of(outcome, FUNCTION, cases, points)
    if verdict.state != "failed":
        return verdict
    wrong = [
        (case, call) for case, call in zip(cases, outcome.calls, strict=False) if not call.error and not same(call.value, case.expected)
    ]
    return (
        verdict.model_copy(update={"next_step": kv_advice(wrong[0][1].value, wrong[0][0].expected, wrong[0][0].arguments[0])})
        if wrong
        else verdict
    )


def _cases(learner: str) -> list[Case]:
    """The examples, and models that follow from the learner's name: with and without head_dim and num_key_value_heads, each possibly None."""
    draw = random.Random(hashlib.sha256(f"kv_bytes:{learner}".encode()).digest())  # noqa: S311 - no secret
    drawn = [_drawn(draw, number) for number in range(HIDDEN_CASES)]
    return [Case((config, size), expected_bytes(config, size)) for config, size in (*visible.EXAMPLES, *drawn)]


def _drawn(draw: random.Random, number: int) -> tuple[dict[str, Any], int]:
    """A model; the sizes are such that no two mistakes give the same number."""
    shared, size = draw.choice((3, 4, 6, 9)), draw.choice((64, 80, 96, 128))
    kept: dict[str, Any] = ({"num_key_value_heads": shared}, {"num_key_value_heads": None}, {}, {"num_key_value_heads": shared})[number % 4]
    heads = shared * (draw.choice((3, 5, 7)) if kept.get("num_key_value_heads") else 1)
    given: dict[str, Any] = ({"head_dim": draw.choice((56, 112, 144, 224))}, {"head_dim": None}, {})[number % 3]
    layers = draw.choice((5, 11, 13, 17, 23, 29, 31))
    config = {"hidden_size": heads * size, "num_hidden_layers": layers, "num_attention_heads": heads, "vocab_size": 32_000}
    return {**config, **kept, **given}, draw.choice((1, 2, 4))


def _measured_advice(given: float, true: int, runs: dict[str, Memory]) -> str:
    """Name the misconception behind a wrong measurement."""
    one, two = runs["one"], runs["two"]
    blocks = two.blocks - one.blocks or 1
    told = {
        "That is one block. How many tokens has it?": true * two.block_size,
        "Divide by tokens, not by blocks: a block has block_size tokens.": (two.after.pool - one.after.pool) / blocks,
        "The pool that was asked for is not the pool: it holds whole blocks only.": (two.pool_asked - one.pool_asked) / (blocks * two.block_size),
        "Those are the tokens of your request. The pool has room for blocks × block_size.": two.after.pool / two.tokens,
    }  # fmt: skip
    return _advice(given, told, "The difference of the two pools, over the difference of the tokens that they have room for.")


def _weights_advice(given: float, two: Memory) -> str:
    told = {
        "Those are GB: 10⁹ bytes. A GiB has 2³⁰.": two.weights / GB,
        "That is a value of 2 bytes. How many bytes has one here?": two.weights / GIB * 2 / two.bytes_per_value,
        "Those are the parameters that torch still holds: on the cpu lane vLLM has packed the others.": two.after.parameters / GIB,
        "That is the pool.": two.after.pool / GIB,
    }
    return _advice(given, told, "The row `weights`, in the column GiB.")


def _pool_advice(given: float, runs: dict[str, Memory]) -> str:
    two = runs["two"]
    told = {
        "Those are GB: 10⁹ bytes. A GiB has 2³⁰.": two.after.pool / GB,
        "Those are MiB. A GiB has 1024 of them.": two.after.pool / MIB,
        "Those are bytes.": two.after.pool,
        "That is the pool of the run in one process.": runs["one"].after.pool / GIB,
        "That is what was asked for. A pool holds whole blocks only.": two.pool_asked / GIB,
    }
    return _advice(given, told, "The row `pool` of the run in several processes, in the column GiB.")


def _own_advice(given: float, runs: dict[str, Memory]) -> str:
    stages, two = runs["two"].stages, _grown(runs["two"])
    told = {
        "Those are MB: 10⁶ bytes. A MiB has 2²⁰.": two / 1e6,
        "Those are GiB.": two / GIB,
        "That is the run in one process.": _grown(runs["one"]) / MIB,
        "That is what all processes together took. What did the script's own see?": (stages.engine.whole - stages.import_.whole) / MIB,
        "That is all that it has. By how much did it grow?": stages.engine.own / MIB,
    }
    return _advice(given, told, "In the column `own, several processes`: the row `engine started`, less the row `vLLM imported`.")


def _holder_advice(given: str, two: Memory) -> str:
    if given.startswith("VLLM::EngineCore"):
        return "That one has the scheduler. Which one runs the model?"
    if given == two.stages.generate.processes[0].name:
        return "That is the script. Would a breakpoint in the model stop there?"
    return "The last column of the table of tensors."


def _advice(given: float, told: dict[str, float], otherwise: str) -> str:
    """Return the misconception whose wrong number was given."""
    return next((advice for advice, wrong in told.items() if wrong and _near(given, wrong)), otherwise)


def _near(given: float, true: float, slack: float = 0.0) -> bool:
    return abs(given - true) <= max(CLOSE * abs(true), slack)


def _grown(facts: Memory) -> int:
    """By how many bytes the script's own view grew while the engine started."""
    return facts.stages.engine.own - facts.stages.import_.own


CHECKS = [kv_bytes, memory]
