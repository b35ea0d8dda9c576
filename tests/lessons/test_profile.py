"""Lesson 05's hidden checks: real profiles pass (test_checks.py); a wrong answer is told what it is; a trace that is no run's, or not one's own, fails."""

import functools
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grading.checks import profile as hidden
from grading.checks import profile_consistency
from grading.checks.profile_cases import cases
from grading.registry import load_checks
from grading.submission import Submission
from labkit.checks import profile_traces
from labkit.checks.nsys_options import parsed
from labkit.checks.profile_command import capture_command
from labkit.checks.profile_examples import EXPECTED
from labkit.checks.profile_traces import of_gpu, own
from labkit.evidence import BadEvidence, Evidence
from labkit.learner import token_of, word
from labkit.profile.units import share_text, time_text
from labkit.trace import extract
from labkit.trace.analysis import launched_by, steps, within
from labkit.trace.model import Call, Device, Range, Trace, Work
from labkit.trace.names import role
from labkit.trace.readings import costs, measure
from labkit.trace.readings import waits as all_waits
from tests.lessons.conftest import POINTS, ROOT, Handed

OF_TRACE = ("own_ranges", "decode_step")  # what is asked of the learner's own trace
LESSON, LABEL, OTHER = "05_nsight_systems", "raven", "heron"
FLASH = "flash"
MS = 1_000_000


def of_lane(lane, folder):
    """What conftest's hand_in makes, of this lesson only."""
    target, recording = folder / "reference" / "day2", ROOT / "recordings" / f"{lane}-reference" / "evidence"
    (target / "evidence" / "files").mkdir(parents=True)
    for path in recording.rglob("profile-*"):
        shutil.copy(path, target / "evidence" / path.relative_to(recording))
    shutil.copy(ROOT / "source" / "day2" / f"{LESSON}.ipynb", target)
    return Handed(target, "reference")


@pytest.fixture
def handed(tmp_path):
    return of_lane("cpu", tmp_path)


@pytest.fixture
def cuda_handed(tmp_path):
    return of_lane("cuda", tmp_path)


@pytest.fixture(autouse=True, scope="module")
def what_a_trace_says_is_computed_once():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hidden, "waits", functools.cache(all_waits))
        patch.setattr(profile_consistency, "role", functools.cache(role))
        patch.setattr(profile_traces, "parsed", functools.cache(extract.parse))
        yield


def evidence(handed):
    return Evidence(handed.folder / "evidence", handed.learner)


def still_about(handed):
    handed.change("profile-step-answer", about=Evidence(handed.folder / "evidence").digest("profile-trace"))


def answer(handed, name, given):
    """Give another answer; of one with several parts, other parts."""
    record = f"profile-{name}"
    merged = handed.facts(record)["answer"]
    handed.change(record, answer=merged | given if isinstance(merged, dict) and isinstance(given, dict) else given)


def rejected(handed, name):
    verdict = handed.grade(f"profile-{name}")
    assert (verdict.state, verdict.points) == ("failed", 0), verdict
    return verdict


def accepted(handed, name):
    verdict = handed.grade(f"profile-{name}")
    assert (verdict.state, verdict.points) == ("passed", POINTS), verdict


# The command


RIGHT = (
    "nsys", "profile", "--output=profiled", "--force-overwrite=true", "--trace=cuda,nvtx", "--sample=none", "--cpuctxsw=none",
    "--cuda-graph-trace=node", "--capture-range=cudaProfilerApi", "--capture-range-end=stop",
)  # fmt: skip
FLAWS = {
    # what is wrong: the option that becomes another (or none), words of the row and of the advice
    "osrt kept": ("--trace=cuda,nvtx", "--trace=cuda,nvtx,osrt", "what is traced", "only make the file larger"),
    "python traced": ("--trace=cuda,nvtx", "--trace=cuda,nvtx,python", "what is traced", "Which values does --trace need"),
    "no ranges": ("--trace=cuda,nvtx", "--trace=cuda", "what is traced", "Which values does --trace need"),
    "nsys's own choice": ("--trace=cuda,nvtx", None, "what is traced", "Which values does --trace need"),
    "CPU sampled": ("--sample=none", None, "stacks and thread switches", "switch them off"),
    "CPU sampled, by its value": (
        "--sample=none",
        "--sample=process-tree",
        "stacks and thread switches",
        "--sample is there, but its value is 'process-tree'",
    ),
    "thread switches kept": ("--cpuctxsw=none", None, "stacks and thread switches", "switch them off"),
    "a graph is one bar": ("--cuda-graph-trace=node", None, "CUDA graph: one bar", "kernels inside"),
    "a graph is one bar, by its value": (
        "--cuda-graph-trace=node",
        "--cuda-graph-trace=graph",
        "CUDA graph: one bar",
        "--cuda-graph-trace is there",
    ),
    "everything captured": ("--capture-range=cudaProfilerApi", None, "recording begins: elsewhere", "cudaProfilerStart"),
    "captured from a range": (
        "--capture-range=cudaProfilerApi",
        "--capture-range=nvtx",
        "recording begins: elsewhere",
        "its value is 'nvtx'",
    ),
    "a value in other capitals": (
        "--capture-range=cudaProfilerApi",
        "--capture-range=cudaProfilerAPI",
        "recording begins: elsewhere",
        "its value is 'cudaProfilerAPI'",
    ),
    "the program is ended": ("--capture-range-end=stop", None, "when the range ends", "ends your program"),
    "shut down": ("--capture-range-end=stop", "--capture-range-end=stop-shutdown", "when the range ends", "its value is 'stop-shutdown'"),
    "not twice": ("--force-overwrite=true", None, "a second run", "overwrite"),
    "not twice, by its value": ("--force-overwrite=true", "--force-overwrite=false", "a second run", "its value is 'false'"),
    "not twice, without a value": ("--force-overwrite=true", "-f", "a second run", "--force-overwrite is there, but its value is ''"),
    "another output": ("--output=profiled", "--output=report1", "output: report1", "profiled.nsys-rep"),
    "another program": ("profile", "launch", "program", "the first two stay"),
}


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_flaw_of_the_command_is_named(handed, flaw):
    right, wrong, row, advice = FLAWS[flaw]
    answer(handed, "command-answer", [wrong if w == right else w for w in RIGHT if w != right or wrong])
    verdict = rejected(handed, "capture_command")
    assert row in verdict.seen
    assert advice in verdict.next_step


SPELLINGS = {
    "as in the lesson": " ".join(RIGHT),
    "values of their own": "nsys profile --output profiled --force-overwrite true --trace cuda,nvtx --sample none --cpuctxsw none"
    " --cuda-graph-trace node --capture-range cudaProfilerApi --capture-range-end stop",
    "short, apart": "nsys profile -o profiled -f true -t cuda,nvtx -s none --cpuctxsw none --cuda-graph-trace=node -c cudaProfilerApi"
    " --capture-range-end=stop",
    "short, together": "nsys profile -oprofiled -ftrue -tnvtx,cuda -snone --cpuctxsw=none --cuda-graph-trace=node -ccudaProfilerApi"
    " --capture-range-end=stop",
    "graphs as the host sees them": " ".join(RIGHT).replace("=node", "=node:host-only"),
    "the last of two counts": " ".join(RIGHT).replace("--trace=cuda,nvtx", "--trace=cuda,nvtx,osrt --trace=nvtx,cuda"),
    "a file of this folder": " ".join(RIGHT).replace("=profiled", "=./profiled.nsys-rep"),
}  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_options_may_be_spelt_as_nsys_takes_them(handed, spelling):
    answer(handed, "command-answer", SPELLINGS[spelling].split())
    accepted(handed, "capture_command")


def test_an_option_that_waits_for_its_value_does_not_take_the_next_option():
    found, odd = parsed(["--sample", "--cpuctxsw", "none", "-t", "-f", "true"])
    assert found == {"sample": "", "cpuctxsw": "none", "trace": "", "force-overwrite": "true"}
    assert odd == []


ODD_WORDS = {
    "two options in one word": ["--sample=none --cpuctxsw=none"],
    "a name and its value in one word": ["--sample none"],
    "the program behind it": ["python", "profiled.py"],
    "an option without dashes": ["sample=none"],
    "no text": [None],
}


@pytest.mark.parametrize("odd", ODD_WORDS)
def test_a_word_that_nsys_would_not_take_is_shown(handed, odd):
    answer(handed, "command-answer", [*RIGHT, *ODD_WORDS[odd]])
    verdict = rejected(handed, "capture_command")
    assert f"not {ODD_WORDS[odd][0]!r}" in verdict.seen
    assert "quotes of its own" in verdict.next_step


@pytest.mark.parametrize("more", ["--stats=true", "--python-sampling=true", "-y5"])
def test_an_option_that_this_capture_does_not_need_is_named(handed, more):
    answer(handed, "command-answer", [*RIGHT, more])
    verdict = rejected(handed, "capture_command")
    assert verdict.seen == f"other options: ['{more.lstrip('-').partition('=')[0].removesuffix('5')}']"
    assert "Leave out" in verdict.next_step


def test_a_command_as_one_text_is_told_to_be_a_list(handed):
    answer(handed, "command-answer", " ".join(RIGHT))
    assert "list of words" in rejected(handed, "capture_command").next_step
    assert [one.what for one in capture_command(evidence(handed))] == ["program"], "nothing is said of options that were not read"


# What is read from the tables


def decode_ms(handed):
    """The times of the steps in milliseconds; the first is the prefill's."""
    return [(span.end - span.start) / MS for span in own(evidence(handed))[1].steps]


WRONG = {
    # exercise, answer's record, what is given instead, words of the advice
    "time of the prefill": ("decode_step", "step-answer", lambda h: {"step_ms": decode_ms(h)[0]}, "the middle one, in milliseconds"),
    "mean with the prefill": ("decode_step", "step-answer", lambda h: {"step_ms": sum(decode_ms(h)) / 12}, "That is a mean"),
    "time in µs": ("decode_step", "step-answer", lambda h: {"step_ms": h.facts("profile-step-answer")["answer"]["step_ms"] * 1000}, "looks like microseconds. How many milliseconds"),
    "time in s": ("decode_step", "step-answer", lambda h: {"step_ms": h.facts("profile-step-answer")["answer"]["step_ms"] / 1000}, "looks like seconds. How many milliseconds"),
    "time of all steps": ("decode_step", "step-answer", lambda h: {"step_ms": sum(decode_ms(h))}, "the middle one"),
    "matmuls of all steps": ("decode_step", "step-answer", lambda h: {"matmuls": 1331}, "divide by their number"),
    "no logits": ("decode_step", "step-answer", lambda h: {"matmuls": 120}, "one for the logits"),
    "matmuls of one layer": ("decode_step", "step-answer", lambda h: {"matmuls": 4}, "Four in each layer"),
    "the second row": ("decode_step", "step-answer", lambda h: {"costs_most": "vllm::unified_attention_with_output"}, "first row of the table"),
    "a role": ("decode_step", "step-answer", lambda h: {"costs_most": "GEMM"}, "Copy it from the table"),
    "kernels of the prefill": ("gpu_step", "gpu-answer", lambda h: {"kernels": 356}, "number of step 0; yours is step 5"),
    "kernels of the last step": ("gpu_step", "gpu-answer", lambda h: {"kernels": 352}, "number of step 11; yours is step 5"),
    "kernels of all steps": ("gpu_step", "gpu-answer", lambda h: {"kernels": 4218}, "the row of step 5"),
    "rounded up": ("gpu_step", "gpu-answer", lambda h: {"per_layer": 12}, "rounded down"),
    "not divided": ("gpu_step", "gpu-answer", lambda h: {"per_layer": 351}, "divided by the layers"),
    "not rounded": ("gpu_step", "gpu-answer", lambda h: {"per_layer": 11.7}, "Read it from the table"),
    "a fraction": ("gpu_step", "gpu-answer", lambda h: {"busy_percent": 0.0402}, "looks like a fraction"),
    "the idle share": ("gpu_step", "gpu-answer", lambda h: {"busy_percent": 95.98}, "of host time"),
    "busy time": ("gpu_step", "gpu-answer", lambda h: {"busy_percent": 1030}, "In percent"),
    "what is long once": ("gpu_step", "gpu-answer", lambda h: {"costs_most": "_gumbel_sample_kernel"}, "first row of the table"),
    "the second gap": ("gap", "gap-answer", lambda h: {"gap_us": 350.15}, "first row of the table"),
    "the gap in ms": ("gap", "gap-answer", lambda h: {"gap_us": 0.916}, "looks like milliseconds. How many microseconds"),
    "inside a step": ("gap", "gap-answer", lambda h: {"where": "inside"}, "before and after the gap"),
    "CUDA waits": ("gap", "gap-answer", lambda h: {"cause": "cuda"}, "share of CUDA calls"),
    "kernels, not calls": ("graphs", "graphs-answer", lambda h: {"launches": {"eager": 351, "graphs": 352}}, "Which column counts the calls"),
    "one call": ("graphs", "graphs-answer", lambda h: {"launches": {"eager": 351, "graphs": 1}}, "Your row is number 5"),
    "calls of the last step": ("graphs", "graphs-answer", lambda h: {"launches": {"eager": 351, "graphs": 21}}, "Your row is number 5"),
    "calls of the prefill": ("graphs", "graphs-answer", lambda h: {"launches": {"eager": 356, "graphs": 20}}, "Your row is number 5"),
    "one mode only": ("graphs", "graphs-answer", lambda h: {"launches": {"eager": 351}}, "Read it from the table"),
    "still the host": ("graphs", "graphs-answer", lambda h: {"gap": "host"}, "second table's first row"),
    "floor in s": ("floor", "floor-answer", lambda h: {"floor_us": 80.4e-6}, "in seconds"),
    "floor in ms": ("floor", "floor-answer", lambda h: {"floor_us": 0.0804}, "in milliseconds"),
    "floor in ns": ("floor", "floor-answer", lambda h: {"floor_us": 80400}, "in nanoseconds"),
    "the cache alone": ("floor", "floor-answer", lambda h: {"floor_us": 0.1856}, "Weights once, plus the KV cache"),
    "busy for so long": ("floor", "floor-answer", lambda h: {"floor_us": 1027.2}, "Weights once, plus the KV cache"),
    "memory, as one reads everywhere": ("floor", "floor-answer", lambda h: {"bound_by": "memory"}, "busy for 4 % of the step"),
    "arithmetic": ("floor", "floor-answer", lambda h: {"bound_by": "compute"}, "busy for 4 % of the step"),
    "the launches": ("floor", "floor-answer", lambda h: {"bound_by": "launch"}, "One of these words, in quotes"),
    "all of the older course's": ("event_types", "events-answer", lambda h: ["a", "b", "c", "e"], "what osrt is"),
    "osrt is all system calls": ("event_types", "events-answer", lambda h: ["a", "b", "c", "d", "f"], "what osrt is"),
    "--trace=python": ("event_types", "events-answer", lambda h: ["a", "b", "d", "e", "f"], "which values does --trace not have"),
    "no Python at all": ("event_types", "events-answer", lambda h: ["a", "b", "d"], "did you pass over"),
    "CUDA and NVTX alone": ("event_types", "events-answer", lambda h: ["a", "b"], "did you pass over"),
    "a letter that is none": ("event_types", "events-answer", lambda h: ["a", "b", "d", "f", "g"], "set of letters"),
    "a sentence": ("event_types", "events-answer", lambda h: "a and b", "set of letters"),
    "two letters as a text": ("event_types", "events-answer", lambda h: "ab", "did you pass over"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", WRONG)
def test_a_wrong_answer_fails_and_the_message_names_the_misconception(handed, mistake):
    name, record, given, words = WRONG[mistake]
    answer(handed, record, given(handed))
    assert words in rejected(handed, name).next_step


@pytest.mark.parametrize("text", ["abdf", "a, b, d, f", "ABDF"])
def test_letters_may_be_given_as_one_text(handed, text):
    """As in lesson 00 and in the quiz."""
    answer(handed, "events-answer", text)
    accepted(handed, "event_types")


def test_an_answer_without_letters_is_shown_as_it_was_written(handed):
    answer(handed, "events-answer", 42)
    assert rejected(handed, "event_types").seen == "letters: 42"


def test_a_mean_is_told_from_the_median_when_one_step_was_slow(handed):
    """The last decode step is 40 ms longer, in the trace and on the script's clock: the median does not move, the mean by a tenth."""
    forge(
        handed,
        lambda trace: replace(trace, ranges=tuple(s._replace(end=s.end + 40 * MS) if s.name == f"{LABEL} 11" else s for s in trace.ranges)),
    )
    seconds = handed.facts("profile-trace")["seconds"]
    handed.change("profile-trace", seconds=[*seconds[:-1], seconds[-1] + 0.04])
    still_about(handed)
    accepted(handed, "decode_step")
    decode = decode_ms(handed)[1:]
    answer(handed, "step-answer", {"step_ms": sum(decode) / len(decode)})
    assert "That is a mean" in rejected(handed, "decode_step").next_step


@pytest.mark.parametrize("lane", ["cpu", "cuda"])
def test_numbers_as_the_tables_show_them_pass(lane, tmp_path):
    """Three digits of a time, one digit after the point of a share: nobody has to compute again what is displayed."""
    handed = of_lane(lane, tmp_path)
    exact = {name: handed.facts(f"profile-{name}-answer")["answer"] for name in ("step", "gpu", "gap", "floor")}
    gpu = of_gpu(evidence(handed))
    step = measure(gpu.trace, gpu.steps[5], decodes=True)
    rounded = {
        "step": {"step_ms": shown(time_text(exact["step"]["step_ms"] * MS), "ms")},
        "gpu": {"busy_percent": float(share_text(step.busy, step.host).removesuffix("%"))},
        "gap": {"gap_us": shown(time_text(exact["gap"]["gap_us"] * 1000), "µs")},
        "floor": {"floor_us": shown(time_text(exact["floor"]["floor_us"] * 1000), "µs")},
    }
    for name, parts in rounded.items():
        assert all(parts[key] != exact[name][key] for key in parts), "it was rounded already"
        answer(handed, f"{name}-answer", parts)
    for name in ("decode_step", "gpu_step", "gap", "floor"):
        accepted(handed, name)


def shown(text, unit):
    number, said = text.split()
    assert said == unit
    return float(number)


@pytest.mark.parametrize("number", range(3, 10))
def test_every_step_that_a_learner_may_have_is_answered_from_the_recording(handed, number, monkeypatch):
    """Tables as they are displayed, for each of the steps that `step_of` deals out."""
    monkeypatch.setattr(hidden, "step_of", lambda token: number)
    gpu, graphs = (of_gpu(evidence(handed), mode) for mode in ("eager", "graphs"))
    step, listed = measure(gpu.trace, gpu.steps[number], decodes=True), costs(gpu.trace, [gpu.steps[number]])
    gaps = [hidden.waits(one.trace, one.label, number, number + 1)[0] for one in (gpu, graphs)]
    answer(handed, "gpu-answer", {
        "kernels": step.kernels, "costs_most": listed[0].name, "per_layer": sum(cost.count // 30 for cost in listed),
        "busy_percent": float(share_text(step.busy, step.host).removesuffix("%")),
    })  # fmt: skip
    answer(handed, "gap-answer", {"gap_us": float(f"{gaps[0].gap.ns / 1000:.3g}"), "where": gaps[0].where, "cause": gaps[0].cause})
    answer(handed, "graphs-answer", {"launches": {"eager": step.calls, "graphs": 20}, "gap": gaps[1].cause})
    tokens = gpu.facts["prompt_tokens"] + number
    assert gpu.trace.device is not None
    floor = (gpu.facts["weight_bytes"] + tokens * gpu.facts["kv_bytes_per_token"]) / gpu.trace.device.bandwidth * 1e6
    answer(handed, "floor-answer", {"floor_us": float(f"{floor:.3g}")})
    for name in ("gpu_step", "gap", "graphs", "floor"):
        accepted(handed, name)


def test_a_count_may_be_the_result_of_a_division(handed):
    answer(handed, "step-answer", {"matmuls": 1331 / 11})
    accepted(handed, "decode_step")
    answer(handed, "step-answer", {"matmuls": 1330 / 11})
    assert "Read it from the table" in rejected(handed, "decode_step").next_step


@pytest.mark.parametrize("lane", ["cpu", "cuda"])
def test_a_name_may_be_written_in_full_and_with_blanks_around_it(lane, tmp_path):
    handed = of_lane(lane, tmp_path)
    _, mine = own(evidence(handed))
    first = costs(mine.trace, mine.steps[1:])[0]
    for spelling in (first.full, f" {first.name}\n"):
        answer(handed, "step-answer", {"costs_most": spelling})
        accepted(handed, "decode_step")


def test_an_answer_that_was_read_from_an_earlier_run_is_told_so(handed):
    handed.change("profile-trace", text="another one")
    assert "read the new numbers" in rejected(handed, "decode_step").next_step


# launched_by

HEAD = "def launched_by(span, calls, kernels):\n    "
JOIN = "asked = {{({key}) for c in calls if {where}}}\n    return sorted(k['id'] for k in kernels if ({look}) in asked)"
THREAD, INSIDE = "c['thread'] == span['thread']", "span['start'] <= c['start'] and c['end'] <= span['end']"
PAIR, LOOK = "c['process'], c['correlation']", "k['process'], k['correlation']"
FUNCTIONS = {
    "by time": "return sorted(k['id'] for k in kernels if span['start'] <= k['start'] < span['end'])",
    "by correlation alone": JOIN.format(key="c['correlation']", look="k['correlation']", where=f"{THREAD} and {INSIDE}"),
    "of any thread": JOIN.format(key=PAIR, look=LOOK, where=INSIDE),
    "of any thread of the process": JOIN.format(key=PAIR, look=LOOK, where=f"c['process'] == span['process'] and {INSIDE}"),
    "of calls that begin in it": JOIN.format(key=PAIR, look=LOOK, where=f"{THREAD} and span['start'] <= c['start'] <= span['end']"),
    "of calls that end in it": JOIN.format(key=PAIR, look=LOOK, where=f"{THREAD} and span['start'] <= c['end'] <= span['end']"),
    "of all calls before its end": JOIN.format(key=PAIR, look=LOOK, where=f"{THREAD} and c['end'] <= span['end']"),
    "in the order of the trace": JOIN.format(key=PAIR, look=LOOK, where=f"{THREAD} and {INSIDE}").replace("sorted(", "list("),
    "one kernel for each call": f"found = {{({LOOK}): k['id'] for k in kernels}}\n"
    f"    return sorted(found[{PAIR}] for c in calls if {THREAD} and {INSIDE} and ({PAIR}) in found)",
    "the examples only": f"return {list(EXPECTED)}[len(calls) - 2 + (len(kernels) == 2)]",
    "the kernels themselves": JOIN.format(key=PAIR, look=LOOK, where=f"{THREAD} and {INSIDE}").replace("k['id'] for", "k for").replace("sorted(", "list("),
}  # fmt: skip


@pytest.mark.parametrize("mistake", FUNCTIONS)
def test_a_wrong_join_fails(mistake):
    """Called here without the sandbox, which test_checks.py and tests/grading try: what matters is that a case tells it from the right one."""
    space: dict[str, Any] = {}
    exec(HEAD + FUNCTIONS[mistake], space)
    wrong = 0
    for case in cases("reference"):
        try:
            wrong += space["launched_by"](*case.arguments) != case.expected
        except LookupError:
            wrong += 1
    assert wrong


def test_the_cases_are_each_learners_own_and_know_the_right_answer():
    space: dict[str, Any] = {}
    exec(HEAD + JOIN.format(key=PAIR, look=LOOK, where=f"{THREAD} and {INSIDE}"), space)
    for learner in ("reference", "ada", "bob"):
        assert all(space["launched_by"](*case.arguments) == case.expected for case in cases(learner))
    assert [case.arguments for case in cases("ada")] != [case.arguments for case in cases("bob")]


@pytest.mark.parametrize("mistake", ["by time", "by correlation alone"])
def test_a_wrong_function_fails_in_the_sandbox_and_shows_the_call(handed, mistake):
    handed.solve(LESSON, "profile-launched_by", HEAD + FUNCTIONS[mistake])
    verdict = rejected(handed, "launched_by")
    assert verdict.seen.startswith("launched_by({'start': 100")


def test_a_wrong_example_is_told_by_its_number(handed):
    answer(handed, "launched-examples", [[2], [1], [1, 3]])
    verdict = rejected(handed, "launched_by")
    assert verdict.seen.startswith("example 1: runs late")
    assert "does not say" in verdict.next_step


# Traces that are not of such a run

SLIM = 3  # layers of a model whose profile is quick to judge
# Both come once per layer after the first of its four products, so that what comes before the next one has 4 × SLIM + 1 of them.
WRITE = "KV cache write"  # a kernel
ATTENTION_OP = profile_consistency.ATTENTION_OP


@pytest.fixture(scope="module")
def slims(tmp_path_factory):
    """Submissions whose own profile has only what the first layers of each step did, on both lanes. Nothing else is changed: they pass."""
    made = {}
    for lane in ("cpu", "cuda"):
        made[lane] = of_lane(lane, tmp_path_factory.mktemp(lane))
        made[lane].change("profile-trace", layers=SLIM)
        forge(made[lane], first_layers)
        accepted(made[lane], "own_ranges")
    return made


def first_layers(trace: Trace) -> Trace:
    """In each step, work with its calls, or operators, until the first layer that is left out."""
    spans, work, calls, ops = steps(trace, LABEL), [], [], []
    for span in spans:
        kernels = [item for item in launched_by(trace, span) if item.kind == "kernel"]
        until = ([item.start for item in kernels if role(item.name) == WRITE] or [0] * 4)[SLIM]
        kept = [item for item in launched_by(trace, span) if item.start < until]
        asked = {item.correlation for item in kept}
        work += kept
        calls += [call for call in within(trace.calls, span) if call.correlation in asked]
        inside = within(trace.ops, span)
        until = ([op.start for op in inside if op.name == ATTENTION_OP] or [0] * 4)[SLIM]
        ops += [op for op in inside if op.end < until]
    return replace(trace, work=tuple(work), calls=tuple(calls), ops=tuple(ops))


@pytest.fixture
def slim(slims, tmp_path):
    """A copy of a lane's slim submission, to be spoilt."""

    def copied(lane):
        shutil.copytree(slims[lane].folder, tmp_path / lane / "reference" / "day2")
        return Handed(tmp_path / lane / "reference" / "day2", "reference")

    return copied


def forge(handed, change: Callable[[Trace], Trace], record_id="profile-trace"):
    """Change the trace that a record keeps, and everything that says which file it is."""
    path = handed.folder / "evidence" / f"{record_id}.json"
    record = json.loads(path.read_text())
    kept = handed.folder / "evidence" / record["files"][0]["path"]
    before = extract.parse(kept.read_bytes())
    after = change(before)
    assert after != before, "nothing was changed"
    data = extract.packed(after)
    kept.write_bytes(data)
    record["files"][0] |= {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    path.write_text(json.dumps(record))
    if record_id == "profile-trace":
        still_about(handed)


def relabel(handed, **parts):
    """Change what a record says beside its facts."""
    path = handed.folder / "evidence" / "profile-trace.json"
    record = json.loads(path.read_text())
    machine = record["machine"] | parts.pop("machine", {})
    path.write_text(json.dumps(record | {"machine": machine} | parts))
    still_about(handed)


def moved(trace: Trace, by: Callable[[int], int], *tables: str) -> Trace:
    """The trace with all times of some tables changed."""
    return replace(trace, **{table: tuple(e._replace(start=by(e.start), end=by(e.end)) for e in getattr(trace, table)) for table in tables})


def of_step(trace: Trace, number: int) -> tuple[set[Work], set[Call]]:
    """The kernels that a step launched, and the calls that did it."""
    span = steps(trace, LABEL)[number]
    kernels = {work for work in launched_by(trace, span) if work.kind == "kernel"}
    asked = {work.correlation for work in kernels}
    return kernels, {call for call in within(trace.calls, span) if call.correlation in asked}


def without(trace: Trace, number: int, *, share: float, calls: bool) -> Trace:
    """The trace without a share of the kernels that a step launched; and without their calls."""
    kernels, asked = of_step(trace, number)
    gone = set(sorted(kernels, key=lambda work: work.start)[: int(share * len(kernels))])
    lost = {work.correlation for work in gone} if calls else set()
    return replace(
        trace,
        work=tuple(work for work in trace.work if work not in gone),
        calls=tuple(call for call in trace.calls if not (call in asked and call.correlation in lost)),
    )


def without_one(trace: Trace, number: int, what: str) -> Trace:
    """The trace without one kernel of a step, and without its call."""
    gone = next(work for work in sorted(of_step(trace, number)[0], key=lambda work: work.start) if role(work.name).startswith(what))
    return replace(
        trace,
        work=tuple(work for work in trace.work if work != gone),
        calls=tuple(call for call in trace.calls if call.correlation != gone.correlation),
    )


def renamed(trace: Trace, old: str, new: str) -> Trace:
    return replace(trace, ranges=tuple(span._replace(name=span.name.replace(old, new)) for span in trace.ranges))


def only_steps(trace: Trace, keep: Callable[[int], bool]) -> Trace:
    numbers = {f"{LABEL} {i}" for i in range(12) if not keep(i)}
    return replace(trace, ranges=tuple(span for span in trace.ranges if span.name not in numbers))


def own_range(trace: Trace, number: int, **changes: Any) -> Trace:
    spans = (span._replace(**changes) if span.name == f"{LABEL} {number}" else span for span in trace.ranges)
    return replace(trace, ranges=tuple(sorted(spans, key=lambda span: (span.start, -span.end))))


FORGED = {
    # what was done to the trace: how, and words of the row that catches it
    "the last step dropped": (lambda t: only_steps(t, lambda i: i < 11), "ranges of yours: 11"),
    "the prefill dropped": (lambda t: only_steps(t, lambda i: i > 0), "ranges of yours: 11"),
    "every other step dropped": (lambda t: only_steps(t, lambda i: i % 2 == 0), "ranges of yours: 6"),
    "a step twice": (lambda t: replace(t, ranges=(t.ranges[0], *t.ranges)), "ranges of yours: 13"),
    "another label": (lambda t: renamed(t, LABEL, OTHER), "ranges of yours: 0"),
    "twice as fast": (lambda t: moved(t, lambda at: at // 2, "work", "calls", "ranges", "ops"), "the script's own clock"),
    "a tenth faster": (lambda t: moved(t, lambda at: at * 9 // 10, "work", "calls", "ranges", "ops"), "the script's own clock"),
    "one step shorter": (lambda t: own_range(t, 4, end=steps(t, LABEL)[4].end - 3 * MS), "the engine's own range: in 11"),
    "the last step longer": (lambda t: own_range(t, 11, end=steps(t, LABEL)[11].end + 5 * MS), "the script's own clock"),
    "ranges of nothing but steps": (lambda t: replace(t, ranges=tuple(steps(t, LABEL))), "the engine's own range: in 0"),
    "steps in each other": (lambda t: own_range(t, 4, start=steps(t, LABEL)[3].start + 1), "order of the steps"),
    "a step on another thread": (lambda t: own_range(t, 0, thread=7), "events in the emptiest range: 0"),
}  # fmt: skip
FORGED_GPU = {
    "kernels lost in a step": (lambda t: without(t, 5, share=0.3, calls=False), "launches that led to work"),
    "kernels and their calls lost in a step": (lambda t: without(t, 5, share=0.3, calls=True), "kernels in the decode steps"),
    "no kernels in a step": (lambda t: without(t, 5, share=1, calls=False), "launches that led to work"),
    "calls without work": (lambda t: replace(t, work=tuple(w for w in t.work if w.kind == "memcpy")), "launches that led to work: 0.0%"),
    "one product lost": (lambda t: without_one(t, 5, "GEMM"), "matrix multiplications in a decode step: [12, 13]"),
    "keys and values never written": (
        lambda t: replace(t, work=tuple(w._replace(name="add") if role(w.name) == WRITE else w for w in t.work)),
        "writes into the KV cache: 0",
    ),
    "all kernels equally long": (lambda t: replace(t, work=tuple(w._replace(end=w.start + 1000) for w in t.work)), "lengths of one kernel: 1"),
    "work before its launch": (lambda t: moved(t, lambda at: at - 5 * MS, "work"), "work after its launch"),
    "work on another process": (lambda t: replace(t, work=tuple(w._replace(process=1) for w in t.work)), "events in the emptiest range: 0"),
    "kernels as long as three steps": (lambda t: replace(t, work=tuple(w._replace(end=w.end + 80 * MS) for w in t.work)), "time on the GPU"),
    "another GPU": (lambda t: replace(t, device=Device("NVIDIA A100-SXM4-80GB", 2_039_000_000_000)), "device: NVIDIA A100"),
    "no GPU": (lambda t: replace(t, device=None), "device: None"),
    "a model without attention": (lambda t: replace(t, work=tuple(w._replace(name="add") if FLASH in w.name else w for w in t.work)), "attention kernels"),
}  # fmt: skip


def few_ops(trace: Trace, number: int, keep: Callable[[str, int], bool]) -> Trace:
    """Drop operators of one step."""
    span = steps(trace, LABEL)[number]
    return replace(trace, ops=tuple(op for i, op in enumerate(trace.ops) if not span.start <= op.start <= span.end or keep(op.name, i)))


FORGED_CPU = {
    "a step without operators": (lambda t: few_ops(t, 5, lambda name, i: False), "events in the emptiest range: 0"),
    "half the operators of a step": (lambda t: few_ops(t, 5, lambda name, i: i % 2 == 0 or "attention" in name), "operators in the decode steps"),
    "one attention operator lost": (lambda t: few_ops(t, 5, lambda name, i: "attention" not in name), "attention operators in a step"),
    "attention of another model": (lambda t: replace(t, ops=tuple(o for o in t.ops if "attention_with_output" not in o.name)), "attention operators in a step"),
}  # fmt: skip
ALL_FORGED = [
    *(("cpu", name, *FORGED[name]) for name in FORGED), *(("cuda", name, *FORGED[name]) for name in FORGED),
    *(("cuda", name, *FORGED_GPU[name]) for name in FORGED_GPU), *(("cpu", name, *FORGED_CPU[name]) for name in FORGED_CPU),
]  # fmt: skip


@pytest.mark.parametrize(("lane", "how", "change", "row"), ALL_FORGED, ids=[f"{lane}-{how}" for lane, how, *_ in ALL_FORGED])
def test_a_forged_trace_fails_with_the_row_that_catches_it(lane, how, change, row, slim):
    handed = slim(lane)
    forge(handed, change)
    assert row in rejected(handed, "own_ranges").seen
    rejected(handed, "decode_step")


SPOILT = {
    # what was edited beside the trace: facts, words of the row that catches it
    "faster by the script's clock": ({"seconds": [0.01] * 12}, "the script's own clock"),
    "slower by the script's clock": ({"seconds": [0.1] * 12}, "the script's own clock"),
    "one time lost": ({"seconds": [0.03] * 11}, "the script's own clock"),
    "times of another type": ({"seconds": ["0.03"] * 12}, "the script's own clock"),
    "a token more": ({"token_ids": list(range(13))}, "ranges of yours: 12"),
    "few tokens": ({"token_ids": list(range(8))}, "tokens generated: 8"),
    "another label": ({"label": OTHER}, f"label: {OTHER}"),
    "words of another learner": ({"prompt": "The heron house at the end of the road has seen many winters, and the ember beside it tells"}, "command: without"),
    "the other mode": ({"mode": "graphs"}, "mode: graphs"),
    "as many layers as another model": ({"layers": 12}, "attention"),
    "no layers": ({"layers": 0}, "attention"),
}  # fmt: skip


@pytest.mark.parametrize("lane", ["cpu", "cuda"])
@pytest.mark.parametrize("mistake", SPOILT)
def test_facts_that_do_not_fit_the_trace_fail_with_the_row_that_catches_it(lane, mistake, slim):
    handed = slim(lane)
    facts, row = SPOILT[mistake]
    handed.change("profile-trace", **facts)
    still_about(handed)
    assert row in rejected(handed, "own_ranges").seen


@pytest.mark.parametrize("how", ["kernels lost in a step", "another GPU", "work before its launch"])
def test_what_is_asked_of_the_gpu_is_not_asked_of_a_forged_profile(how, slim):
    """On the cuda lane the GPU's profile is the learner's own: there, too, it must be one."""
    handed = slim("cuda")
    forge(handed, FORGED_GPU[how][0])
    assert FORGED_GPU[how][1] in rejected(handed, "gpu_step").seen


NOT_GRAPHS = {
    "the eager profile": (lambda h, t: own(evidence(h))[1].trace, "graphs launched in a decode step: [0]"),
    "a graph as one bar": (lambda h, t: replace(t, work=tuple(w._replace(node=0) for w in t.work)), "kernels inside the graph: 0"),
    "two graphs in a step": (
        lambda h, t: replace(t, calls=tuple(c._replace(name=c.name.replace("cudaLaunchKernel", "cudaGraphLaunch")) for c in t.calls)),
        "graphs launched in a decode step: [",
    ),
}


@pytest.mark.parametrize("how", NOT_GRAPHS)
def test_a_second_profile_that_is_not_of_graphs_fails(cuda_handed, how):
    change, row = NOT_GRAPHS[how]
    forge(cuda_handed, lambda trace: change(cuda_handed, trace), "profile-graphs")
    assert row in rejected(cuda_handed, "graphs").seen


def test_a_second_profile_that_says_it_was_eager_fails(cuda_handed):
    cuda_handed.change("profile-graphs", mode="eager")
    assert "mode of the second profile: eager" in rejected(cuda_handed, "graphs").seen


def test_a_prompt_without_ones_own_words_fails_although_the_command_says_the_same(handed):
    facts = handed.facts("profile-trace")
    prompt = facts["prompt"].replace("kayak", "heron")
    record = json.loads((handed.folder / "evidence" / "profile-trace.json").read_text())
    handed.change("profile-trace", prompt=prompt)
    relabel(handed, command=[prompt if part == facts["prompt"] else part for part in record["command"]])
    assert "words of yours in the prompt" in rejected(handed, "own_ranges").seen


def test_a_run_that_was_shorter_than_its_steps_or_failed_is_no_run(handed):
    relabel(handed, seconds=0.2)
    assert "time of the run" in rejected(handed, "own_ranges").seen
    relabel(handed, exit_code=1)
    assert "exit code: 1" in rejected(handed, "own_ranges").seen


def test_the_profile_of_a_gpu_does_not_fit_a_machine_without_one(cuda_handed):
    relabel(cuda_handed, lane="cpu", machine={"gpu": None})
    for name in OF_TRACE:
        assert "device: NVIDIA H100" in rejected(cuda_handed, name).seen


def test_the_profile_of_a_cpu_does_not_fit_the_cuda_lane(handed):
    relabel(handed, lane="cuda", machine={"gpu": "NVIDIA H100 80GB HBM3"})
    for name in OF_TRACE:
        assert "lane without GPU work: cuda" in rejected(handed, name).seen


def test_the_recording_of_the_course_is_not_ones_own_profile(handed, tmp_path):
    """The cpu lane hands in the recorded H100 trace, which has the reference's label, as its own."""
    recorded = of_gpu(evidence(handed))
    forge(handed, lambda trace: recorded.trace)
    verdict = rejected(handed, "own_ranges")
    assert "script's own clock" in verdict.seen
    handed.change("profile-trace", seconds=recorded.facts["seconds"])
    still_about(handed)
    assert "not in the command" in rejected(handed, "own_ranges").seen


@pytest.mark.parametrize("lane", ["cpu", "cuda"])
@pytest.mark.parametrize("name", OF_TRACE)
def test_another_learners_profile_with_the_names_changed_does_not_fit(lane, name, slim):
    handed = slim(lane)
    handed.learner = "carol"
    for path in (handed.folder / "evidence").glob("profile-*.json"):
        record = json.loads(path.read_text())
        path.write_text(json.dumps(record | {"learner": "carol", "token": token_of("carol")}))
    still_about(handed)
    verdict = rejected(handed, name)
    assert "earlier run" not in verdict.seen
    # the label alone, in the facts and in the trace
    label = word(token_of("carol"), "profile label")
    assert label != LABEL
    handed.change("profile-trace", label=label)
    forge(handed, lambda trace: renamed(trace, LABEL, label))
    assert "without" in rejected(handed, "own_ranges").seen


# Damaged files

DAMAGE = {
    "cut short": (lambda data: data[: len(data) // 2], "cut short"),
    "empty": (lambda data: b"", "cut short"),
    "not packed": (lambda data: b'{"schema": 1}', "not packed with gzip"),
    "an export": (lambda data: b"SQLite format 3\0" + data, "not packed with gzip"),
    "followed by more": (lambda data: data + b"more", "followed by something else"),
    "another document": (lambda data: __import__("gzip").compress(b'{"schema": 1}'), "other parts than an extract"),
    "a list": (lambda data: __import__("gzip").compress(b"[1]"), "other parts than an extract"),
}


@pytest.mark.parametrize("harm", DAMAGE)
@pytest.mark.parametrize("honest", [True, False], ids=["digest as it was", "digest made to fit"])
def test_a_damaged_extract_is_named(cuda_handed, harm, honest):
    """In each exercise that reads it: its own, and those about the GPU."""
    change, words = DAMAGE[harm]
    path = cuda_handed.folder / "evidence" / "profile-trace.json"
    record = json.loads(path.read_text())
    kept = cuda_handed.folder / "evidence" / record["files"][0]["path"]
    data = change(kept.read_bytes())
    kept.write_bytes(data)
    if not honest:
        record["files"][0] |= {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        path.write_text(json.dumps(record))
        still_about(cuda_handed)
    for name in ("own_ranges", "decode_step", "gpu_step", "gap", "graphs", "floor"):
        with pytest.raises(BadEvidence) as bad:
            load_checks()[f"profile-{name}"](Submission(cuda_handed.folder, "reference"), POINTS)
        assert ("SHA-256 is not the recorded one" if honest else words) in str(bad.value)
        assert "Expected" in str(bad.value)
        assert "again" in str(bad.value)


def test_a_record_without_its_file_and_one_with_two_are_named(handed):
    path = handed.folder / "evidence" / "profile-trace.json"
    record = json.loads(path.read_text())
    for files in ([], record["files"] * 2):
        relabel(handed, files=files)
        assert "Expected one trace" in rejected(handed, "own_ranges").seen
    relabel(handed, files=record["files"])
    (handed.folder / "evidence" / record["files"][0]["path"]).unlink()
    assert "not there yet" in rejected(handed, "own_ranges").seen


# Whatever is handed in, a verdict comes out

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip
RECORDS = {
    "command-answer": ("capture_command", ()),
    "step-answer": ("decode_step", ("step_ms", "costs_most", "matmuls")),
    "launched-examples": ("launched_by", ()),
    "gpu-answer": ("gpu_step", ("kernels", "costs_most", "per_layer", "busy_percent")),
    "gap-answer": ("gap", ("gap_us", "where", "cause")),
    "graphs-answer": ("graphs", ("launches", "gap")),
    "floor-answer": ("floor", ("floor_us", "bound_by")),
    "events-answer": ("event_types", ()),
}
FACTS = ("label", "mode", "prompt", "prompt_tokens", "token_ids", "seconds", "layers", "weight_bytes", "kv_bytes_per_token")


@pytest.fixture(scope="module")
def shared(slims, tmp_path_factory):
    """The slim submission of the cuda lane, with slim graphs, too: who changes it puts it back."""
    folder = tmp_path_factory.mktemp("shared") / "reference" / "day2"
    shutil.copytree(slims["cuda"].folder, folder)
    handed = Handed(folder, "reference")
    forge(handed, few_nodes, "profile-graphs")
    return handed


def few_nodes(trace: Trace) -> Trace:
    """At most twenty pieces of work in each step."""
    spans = steps(trace, LABEL)
    gone = {work for span in spans for work in launched_by(trace, span)[20:]}
    return replace(trace, work=tuple(work for work in trace.work if work not in gone), ranges=tuple(spans))


def judged(handed, name):
    """Judge as the grader does; anything but a verdict or bad evidence would be a fault of the check."""
    try:
        verdict = load_checks()[f"profile-{name}"](Submission(handed.folder, "reference"), POINTS)
    except BadEvidence:
        return
    assert verdict.state in ("passed", "failed")


def with_record(handed, record_id, change):
    """Judge with a changed record, and put it back."""
    path = handed.folder / "evidence" / f"profile-{record_id}.json"
    before = path.read_text()
    record = json.loads(before)
    change(record["facts"])
    path.write_text(json.dumps(record))
    return lambda: path.write_text(before)


@pytest.mark.parametrize("record_id", RECORDS)
@settings(deadline=None, max_examples=25)
@given(value=anything, data=st.data())
def test_an_answer_of_any_shape_is_judged(shared, record_id, value, data):
    name, parts = RECORDS[record_id]
    part = data.draw(st.sampled_from([None, *parts]))
    back = with_record(shared, record_id, lambda facts: facts.update(answer=value if part is None else facts["answer"] | {part: value}))
    try:
        judged(shared, name)
    finally:
        back()


@pytest.mark.parametrize("key", FACTS)
@settings(deadline=None, max_examples=8)
@given(value=anything | st.lists(st.integers() | st.floats(allow_nan=False, allow_infinity=False), min_size=12, max_size=12))
def test_facts_of_any_shape_are_judged(shared, key, value):
    back = with_record(shared, "trace", lambda facts: facts.update({key: value}))
    try:
        still_about(shared)
        for name in ("own_ranges", "decode_step", "gpu_step", "floor"):
            judged(shared, name)
    finally:
        back()


@pytest.mark.parametrize("key", FACTS)
def test_a_fact_that_is_missing_is_judged(shared, key):
    back = with_record(shared, "trace", lambda facts: facts.pop(key))
    try:
        still_about(shared)
        for name in ("own_ranges", "decode_step", "gpu_step", "gap", "floor"):
            judged(shared, name)
    finally:
        back()


ODD = {
    "a card without a bandwidth, as torch.profiler records it": lambda t: replace(t, device=Device("NVIDIA H100 80GB HBM3")),
    "a card with the smallest of all": lambda t: replace(t, device=Device("NVIDIA H100 80GB HBM3", 1)),
    "steps that launch nothing": lambda t: replace(t, calls=()),
    "one kernel in all": lambda t: replace(t, work=t.work[:1]),
    "one kernel in each step, without a pause": lambda t: replace(t, work=tuple(w._replace(start=0, end=1) for w in t.work)),
    "copies only": lambda t: replace(t, work=tuple(w._replace(kind="memcpy") for w in t.work)),
    "steps of no length": lambda t: replace(t, ranges=tuple(r._replace(end=r.start) for r in t.ranges)),
    "the same step twelve times": lambda t: replace(t, ranges=(t.ranges[0],) * 12),
    "times before zero": lambda t: moved(t, lambda at: at - 10**12, "work", "calls", "ranges"),
    "names that are none": lambda t: replace(t, work=tuple(w._replace(name="") for w in t.work)),
    "no work on any GPU": lambda t: replace(t, work=(), device=None),
    "nothing": lambda t: replace(t, work=(), calls=(), ranges=(Range("x", 0, 1, 0, 0),)),
}  # fmt: skip


@pytest.mark.parametrize("oddity", ODD)
def test_a_trace_of_any_shape_is_judged(oddity, slim):
    handed = slim("cuda")
    forge(handed, ODD[oddity])
    forge(handed, lambda trace: ODD[oddity](few_nodes(trace)), "profile-graphs")
    for name in ("own_ranges", "decode_step", "gpu_step", "gap", "graphs", "floor"):
        judged(handed, name)
