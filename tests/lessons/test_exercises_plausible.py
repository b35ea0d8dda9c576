"""Lesson 06: real evidence of both lanes passes; the same evidence, made up or changed in one place, fails with the words that say where."""

import itertools
import json

import pytest

from labkit.evidence import Evidence
from tests.lessons.conftest import Handed, hand_in

ABOUT = {
    "exercises-speed": "exercises-build_types-answer",
    "exercises-markers-trace": "exercises-markers-answer",
    "exercises-memory-two": "exercises-memory-answer",
}


def edited(handed: Handed, record_id: str, edit) -> None:
    """Change a record, and what an answer says about it: a forger does both."""
    folder = handed.folder / "evidence"
    path = folder / f"{record_id}.json"
    record = json.loads(path.read_text())
    edit(record)
    path.write_text(json.dumps(record))
    if record_id in ABOUT:
        handed.change(ABOUT[record_id], about=Evidence(folder).digest(record_id))


def refused(handed, grade_id, words):
    verdict = handed.grade(grade_id)
    assert (verdict.state, verdict.points) == ("failed", 0), verdict
    assert words in verdict.seen, verdict
    assert verdict.next_step


def facts(change):
    """An edit of a record's facts."""
    return lambda record: change(record["facts"])


def each_call(change):
    """An edit of every call, which the samples follow."""

    def edit(record):
        made = record["facts"]
        for call in made["calls"]:
            change(call)
        for size, samples in made["samples"].items():
            timed = [call for call in made["calls"] if call["size"] == int(size)][-len(samples) :]
            made["samples"][size] = [[call["seconds"], sum(call["output_tokens"]) / call["seconds"]] for call in timed]

    return edit


# The sweep


def nanoseconds(call):
    call["seconds"] *= 1e-6
    call["stamps"] = [[one * 1e-6 for one in stamp] for stamp in call["stamps"]]


def rounded(record):
    for number, call in enumerate(record["facts"]["calls"], 1):
        call["seconds"] = round(call["seconds"] + 0.006, 3) + 0.001 * number * number
    each_call(lambda call: None)(record)


def no_prefill(call):
    call["stamps"] = [[stamp[0], stamp[1], stamp[1], stamp[3]] for stamp in call["stamps"]]


def queued_at_once(call):
    call["stamps"] = [[0.0, *stamp[1:]] for stamp in call["stamps"]]


def numbered(call):
    call["prompts"] = [f"{call['seconds']}-{i}" for i in range(call["size"])]


def later(call):
    call["stamps"] = [[one + 0.5 for one in stamp] for stamp in call["stamps"]]
    call["seconds"] += 0.5


def last_token_after_the_call(call):
    call["seconds"] = max(stamp[3] for stamp in call["stamps"]) - 0.001


def waits_below_the_limit(record):
    for call in record["facts"]["calls"]:
        if call["size"] == 16:
            for stamp in call["stamps"][8:]:
                stamp[1], stamp[2] = call["stamps"][0][2], (stamp[2] + stamp[3]) / 2


def same_stamps(record):
    calls = record["facts"]["calls"]
    for before, after in itertools.pairwise(calls):
        if before["size"] == after["size"]:
            after["stamps"], after["seconds"] = before["stamps"], before["seconds"] + 0.00123
    each_call(lambda call: None)(record)


def other_parameters(record):
    old = record["facts"]["settings"]
    new = json.dumps(json.loads(old) | {"parameters": 7_000_000_000})
    record["facts"]["settings"] = new
    record["command"] = [new if part == old else part for part in record["command"]]


def machine(name, value):
    return facts(lambda made: made["machine"].update({name: value}))


def top(**changes):
    return lambda record: record.update(changes)


SWEEPS = [
    ("times of nanoseconds", each_call(nanoseconds), "shortest time"),
    ("rounded to milliseconds", rounded, "seconds of the calls"),
    ("a first token in no time", each_call(no_prefill), "from scheduled to first token"),
    ("queued at the same time", each_call(queued_at_once), "queued at the same microsecond"),
    ("counted from nothing", each_call(later), "do not begin with the first request"),
    ("ends after its call", each_call(last_token_after_the_call), "ended after its call"),
    ("prompts by number", each_call(numbered), "prompts that are no digests"),
    ("waiting below max_num_seqs", waits_below_the_limit, "in which requests waited"),
    ("the same stamps again", same_stamps, "timestamps of their own"),
    ("another model's parameters", other_parameters, "parameters of the model"),
    ("bytes of another dtype", facts(lambda made: made.update(bytes_per_parameter=8)), "bytes per parameter"),
    ("a memory that does not exist", machine("bytes_per_s", 1e17), "bytes read per second"),
    ("a processor that does not exist", machine("operations_per_s", 9e17), "operations per second"),
    ("reading that takes longer than the run", machine("bytes_per_s", 1e6), "seconds of the run"),
    ("arithmetic that takes longer than the run", machine("operations_per_s", 1e3), "seconds of the run"),
    ("a run shorter than its imports", lambda record: record.update(seconds=sum(c["seconds"] for c in record["facts"]["calls"]) + 0.5), "seconds of the run"),
    ("no versions", lambda record: record.update(versions={k: v for k, v in record["versions"].items() if k.startswith("vllm")}), "versions"),
]  # fmt: skip


@pytest.mark.parametrize("lane", ["cpu", "cuda"])
@pytest.mark.parametrize(("edit", "words"), [pytest.param(*rest, id=name) for name, *rest in SWEEPS])
def test_a_sweep_that_no_machine_made_earns_nothing(tmp_path, lane, edit, words):
    handed = hand_in(f"{lane}-reference", tmp_path / "reference" / "day2")
    assert handed.grade("exercises-measure_batches").state == "passed"
    edited(handed, "exercises-sweep", edit)
    refused(handed, "exercises-measure_batches", words)


def test_another_models_sweep_has_parameters_of_its_own(handed):
    def other_model(record):
        other_parameters(record)
        record["command"] = [part.replace("smollm2-135m-instruct", "opt-125m") for part in record["command"]]

    edited(handed, "exercises-sweep", other_model)
    assert handed.grade("exercises-measure_batches").state == "passed"


# Memory


def stage(name, change):
    """An edit of one stage, whose sums follow from its processes."""

    def edit(record):
        found = record["facts"]["stages"][name]
        change(found["processes"])
        found["own"], found["whole"] = found["processes"][0]["rss"], sum(one["rss"] for one in found["processes"])

    return edit


def in_fact(key, **changes):
    return facts(lambda made: made[key].update(changes))


def parameters(value):
    def edit(record):
        for name in ("before", "after"):
            record["facts"][name]["parameters"] = value

    return edit


def held_by_the_core(record):
    """The engine core as large as the worker, and named as the holder."""
    for name in ("engine", "generate"):
        found = record["facts"]["stages"][name]
        for one in found["processes"]:
            one["rss"] = 2**31 if one["name"] == "VLLM::EngineCore" else one["rss"]
        found["whole"] = sum(one["rss"] for one in found["processes"])
    for name in ("before", "after"):
        record["facts"][name]["process"] = "VLLM::EngineCore"


def whole_mib(record):
    """As somebody types it: every process to the MiB."""
    for found in record["facts"]["stages"].values():
        for one in found["processes"]:
            one["rss"] = one["rss"] // 2**20 * 2**20
        found["own"], found["whole"] = found["processes"][0]["rss"], sum(one["rss"] for one in found["processes"])


MEMORIES = [
    ("one byte at the start", stage("start", lambda found: found[0].update(rss=1)), "no whole number of pages"),
    ("one page at the start", stage("start", lambda found: found[0].update(rss=4096)), "memory of the script at its start"),
    ("whole MiB", whole_mib, "in whole MiB"),
    ("an import that takes nothing", stage("start", lambda found: found[0].update(rss=2**31)), "memory at start, import and engine"),
    ("an engine before it started", stage("import", lambda found: found.append({"name": "VLLM::EngineCore", "rss": 2**28})), "before the engine"),
    ("an engine core of a page", stage("generate", lambda found: found[2].update(rss=4096)), "smaller than Python with torch"),
    ("a worker that came late", stage("engine", lambda found: found[3].update(name="python")), "processes of vLLM after generating"),
    ("the model in the core", held_by_the_core, "where the model is"),
    ("no parameters", parameters(0), "parameters that torch holds"),
    ("more parameters than weights", parameters(2**40), "parameters that torch holds"),
    ("pages without end", in_fact("pages", zeros=2**40), "what touching it added"),
    ("other pages", in_fact("pages", asked=2**20, empty=0), "memory asked for"),
    ("a prompt of one token", facts(lambda made: made.update(tokens=1)), "tokens"),
    ("a prompt of many tokens", facts(lambda made: made.update(tokens=10_000)), "tokens"),
    ("another dtype in the command", lambda record: record.update(command=[p.replace("float32", "bfloat16") for p in record["command"]]), "bytes per value"),
    ("no time", top(seconds=0.1), "seconds of the run"),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "words"), [pytest.param(*rest, id=name) for name, *rest in MEMORIES])
def test_a_memory_record_that_no_run_left_earns_nothing(handed, edit, words):
    edited(handed, "exercises-memory-two", edit)
    refused(handed, "exercises-memory", words)


def test_another_models_config_with_the_same_bytes_per_token_earns_nothing(handed):
    for mode in ("one", "two"):
        edited(handed, f"exercises-memory-{mode}", in_fact("config", num_key_value_heads=1, head_dim=192))
    refused(handed, "exercises-memory", "configuration of SmolLM2-135M")


# Build types


def few(made):
    for times in made["samples"].values():
        for name in times:
            times[name] = times[name][:5]


def samples(change):
    def edit(made):
        for times in made["samples"].values():
            for name in times:
                times[name] = [change(one) for one in times[name]]

    return facts(edit)


def equal(made):
    for times in made["samples"].values():
        for name in times:
            times[name] = [times[name][0]] * 40


def whole_microseconds(made):
    for times in made["samples"].values():
        for name in times:
            times[name] = [(3 + number % 7) * (1e-5 if name == "Debug" else 1e-6) for number in range(40)]


def runs(change):
    def edit(made):
        for name in made["seconds"]:
            made["seconds"][name] = [change(one) for one in made["seconds"][name]]

    return facts(edit)


def few_runs(made):
    for kind in ("seconds", "calls"):
        for name in made[kind]:
            made[kind][name] = made[kind][name][:5]


def calls(count):
    return facts(lambda made: made.update(calls={name: [count] * 8 for name in made["calls"]}))


SPEEDS = [
    ("five samples", facts(few), "fewest samples"),
    ("equal samples", facts(equal), "different ones"),
    ("samples of nanoseconds", samples(lambda one: one * 1e-3), "shortest call"),
    ("rounded samples", facts(whole_microseconds), "all are multiples"),
    ("rounded runs", runs(lambda one: round(one, 2)), "all are multiples"),
    ("five runs", facts(few_runs), "fewest runs"),
    ("runs of microseconds", runs(lambda one: one * 1e-4), "shortest run"),
    ("runs shorter than their calls", samples(lambda one: one * 1e3), "shortest run"),
    ("a layer that is never called", calls(464), "calls of the operator"),
    ("a command shorter than what it timed", lambda record: record.update(seconds=sum(map(sum, record["facts"]["seconds"].values())) + 1), "seconds of the run"),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "words"), [pytest.param(*rest, id=name) for name, *rest in SPEEDS])
def test_times_that_no_machine_measured_earn_nothing(handed, edit, words):
    edited(handed, "exercises-speed", edit)
    refused(handed, "exercises-build_types", words)


def test_no_fall_at_all_is_not_near_a_small_one(handed):
    answer = handed.facts("exercises-build_types-answer")["answer"]
    handed.change("exercises-build_types-answer", answer=answer | {"fall": round(answer["fall"], 2)})
    assert handed.grade("exercises-build_types").state == "passed"
    handed.change("exercises-build_types-answer", answer=answer | {"fall": answer["fall"] - 0.04})
    assert "two digits" in handed.grade("exercises-build_types").next_step
    handed.change("exercises-build_types-answer", answer=answer | {"fall": 0.0})
    assert handed.grade("exercises-build_types").state == "failed"


# Markers


def request(name, **changes):
    return facts(lambda made: made["requests"][name].update(changes))


def without_profiler(record):
    record["facts"]["profiler"] = "perf"
    record["command"] = ["perf" if part in ("torch", "nsys") else part for part in record["command"]]


def swapped_profiler(record):
    known = {"torch": "nsys", "nsys": "torch"}
    record["facts"]["profiler"] = known[record["facts"]["profiler"]]
    record["command"] = [known.get(part, part) for part in record["command"]]


MARKS = [
    ("another profiler than the command's", facts(lambda made: made.update(profiler="perf")), "profiler"),
    ("an unknown profiler", without_profiler, "profiler"),
    ("another profiler than the trace's", swapped_profiler, "profiler of the trace"),
    ("a prompt of a thousand tokens", request("short", prompt_tokens=1000), "short: prompt tokens"),
    ("a long prompt of few tokens", request("long", prompt_tokens=105), "prompt tokens of long"),
    ("as text", request("long", prompt_tokens="121"), "long: prompt tokens"),
    ("tokens of what was refused", request("too_long", prompt_tokens=601), "too_long: prompt tokens"),
    ("no time", top(seconds=0.7), "seconds of the run"),
]


@pytest.mark.parametrize("lane", ["cpu", "cuda"])
@pytest.mark.parametrize(("edit", "words"), [pytest.param(*rest, id=name) for name, *rest in MARKS])
def test_notes_that_are_not_of_the_trace_earn_nothing(tmp_path, lane, edit, words):
    handed = hand_in(f"{lane}-reference", tmp_path / "reference" / "day2")
    edited(handed, "exercises-markers-trace", edit)
    refused(handed, "exercises-markers", words)
