"""Part 1 of lesson 06: each wrong answer earns nothing, and its message names the misconception."""

from collections import Counter
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from grading.checks import exercises_build_types as hidden
from grading.submission import Submission
from grading.verdict import Verdict
from labkit.checks import exercises_build_types as visible
from labkit.checks.exercises_device_code import label_of, recorded_options
from labkit.evidence import BadEvidence, Evidence
from labkit.lane import Lane
from labkit.learner import symbol, token_of, word
from labkit.overlay_elf import OverlayFacts, OverlayUnit
from labkit.recorder import Recorder
from labkit.runner import Run

LESSON = Path(__file__).parents[2] / "lessons" / "06_exercises.md"
LEARNER = "ada"
TOKEN = token_of(LEARNER)
TOKENS = str(visible.tokens_of(TOKEN, "cpu"))
NAMES = ("wheel", *visible.BUILDS["cpu"])
MODEL = "<cache>/models/smollm2-135m-instruct"
IDS = {"Debug": "d" * 40, "RelWithDebInfo": "e" * 40, "Release": "f" * 40}
PROMPT = f"In the {word(TOKEN, 'build place')} the {word(TOKEN, 'build animal')} found"
NOISY = [0.1500123, 0.1534567, 0.1567891, 0.1601234, 0.1600987, 0.1634567, 0.1667891, 0.1701234]


def times(debug: float, other: float, samples: int = 40) -> dict[str, list[float]]:
    """Samples around a median, as a clock gives them."""
    spread = [1 + (number - samples / 2 + 0.5) * 1e-4 for number in range(samples)]
    return {name: [(debug if name == "Debug" else other) * one for one in spread] for name in NAMES}


def speed_facts(**changes: Any) -> dict[str, Any]:
    """45 times for many tokens, 8 against 3 µs for one, 30 calls and 10 ms per token: 1.48 % less is to be expected."""
    facts = {
        "tokens": int(TOKENS), "prompt": PROMPT, "first": {TOKENS: {name: 900e-6 if name == "Debug" else 15e-6 for name in NAMES}},
        "samples": {"1": times(8e-6, 3e-6), TOKENS: times(630e-6, 14e-6)}, "seconds": dict.fromkeys(visible.ENGINE, NOISY),
        "calls": {name: [480] * 8 for name in visible.ENGINE}, "mapped": [[f"{name}.so", build_id] for name, build_id in IDS.items()],
    }  # fmt: skip
    return {**facts, **changes}


class Work:
    """What a learner hands in, made without a compiler: the libraries themselves are judged in test_checks.py, on the recording."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.evidence = folder, Evidence(folder / "evidence", LEARNER)
        self._recorder = Recorder(folder / "evidence", LEARNER, Lane("cpu", (), "float32"))
        self.record("exercises-builds", command=("ninja", "-C", "builds"))
        self.measured()
        self.answer_types()
        label = label_of(TOKEN)
        table = {option: {"debug_sections": one["debug_sections"], **one["kernels"][label]} for option, one in recorded_options().items()}
        self.record("exercises-device", {"kernel": label, "table": table})
        self.answer_device()

    def record(self, record_id: str, facts: dict[str, Any] | None = None, command: tuple[str, ...] = ()) -> None:
        run = Run(command, 0, 60.0, "", self.folder) if command else None
        self._recorder.write(record_id, run=run, facts=facts or {})

    def measured(self, **changes: Any) -> None:
        self.record("exercises-speed", speed_facts(**changes), ("python", "speed.py", MODEL, "float32", "plan.json", TOKENS, PROMPT))

    def answer_types(self, **changes: Any) -> None:
        answer = {"ratio": 45.0, "fall": 1.48, "noise": "inside", **changes}
        self.record("exercises-build_types-answer", {"answer": answer, "about": self.evidence.digest("exercises-speed")})

    def answer_device(self, **changes: Any) -> None:
        table = self.evidence.record("exercises-device").facts["table"]
        registers = table["-O3 -G"]["registers"] / table["-O3"]["registers"]  # type: ignore[index, call-overload]
        answer = {"same_code": sorted(hidden.SAME), "lines": "-O3 -lineinfo", "only_g": ".debug_info", "registers": registers, **changes}
        self.record("exercises-device_code-answer", {"answer": answer, "about": self.evidence.digest("exercises-device")})

    def grade(self, name: str) -> Verdict:
        check = {check.__name__: check for check in hidden.CHECKS}[name]
        try:
            return check(Submission(self.folder, LEARNER), 2.0)
        except BadEvidence as bad:
            return Verdict(state="failed", points=0, seen=str(bad), expected="", next_step="")


def library(name: str) -> OverlayFacts:
    unit = OverlayUnit("pos_encoding.cpp", "GNU C++20", visible.OPTIMISED[name], (visible.SYMBOL,), (), 1.0)
    return OverlayFacts(name, "x86-64", IDS[name], f"{symbol(TOKEN)}_{name}", (), (), (unit,), False, (), ())


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.setattr(visible, "libraries", lambda evidence, record: {name: (b"", library(name)) for name in IDS})
    monkeypatch.setattr(hidden, "_builds", lambda evidence: [])
    return Work(tmp_path)


@pytest.mark.parametrize("name", ["build_types", "device_code"])
def test_right_answers_pass(work, name):
    assert work.grade(name).state == "passed", work.grade(name)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ratio": 1 / 45}, "upside down"),
        ({"ratio": 60.0}, "very first calls"),
        ({"ratio": 8 / 3}, "dispatcher"),
        ({"ratio": 1.0}, "one call of the function"),
        ({"ratio": 7.0}, "median"),
        ({"ratio": "45"}, "one over the other"),
        ({"fall": 97.8}, "holds for a loop"),
        ({"fall": 90}, "holds for a loop"),
        ({"fall": -1.48}, "positive number"),
        ({"fall": 0.0493}, "How many calls"),
        ({"fall": 0.0148}, "How many percent"),
        ({"fall": 20}, "times the calls per token"),
        ({"fall": None}, "calls, difference and time"),
        ({"noise": "outside"}, "alone is no result"),
        ({"noise": "maybe"}, '"inside" or "outside"'),
    ],
)
def test_a_wrong_answer_about_build_types_is_told_why(work, changes, words):
    work.answer_types(**changes)
    verdict = work.grade("build_types")
    assert verdict.state == "failed"
    assert words in verdict.next_step


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"samples": {}}, "a measurement is missing"),
        ({"samples": {"1": times(8e-6, 3e-6), TOKENS: times(-1.0, 14e-6)}}, "no list of positive numbers"),
        ({"seconds": {name: ["0.1"] * 5 for name in visible.ENGINE}}, "no list of positive numbers"),
        ({"mapped": [["Debug.so", "0" * 40]]}, "Debug in the process"),
        ({"calls": {name: [481] * 8 for name in visible.ENGINE}}, "calls per run"),
        ({"seconds": {name: [30.0] * 8 for name in visible.ENGINE}}, "seconds of the runs"),
        ({"samples": {"1": times(8e-6, 3e-6), TOKENS: times(14e-6, 14e-6)}}, "Debug against Release"),
    ],
)
def test_measurements_that_do_not_fit_earn_nothing(work, changes, words):
    work.measured(**changes)
    work.answer_types()
    verdict = work.grade("build_types")
    assert verdict.state == "failed"
    assert words in verdict.seen


def test_a_new_measurement_needs_a_new_answer(work):
    work.measured(calls={name: [960] * 8 for name in visible.ENGINE})
    assert "ran it again since" in work.grade("build_types").next_step


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"same_code": ["-O3 -lineinfo"]}, "hands -O0 to the compiler of the host"),
        ({"same_code": ["-O0", "-O0 -g"]}, "slows nothing"),
        ({"same_code": ["-O0", "-O0 -g", "-O3 -lineinfo", "-O3 -G"]}, "turns the device's optimiser off"),
        ({"same_code": ["-O9"]}, "A set of words"),
        ({"lines": "-O3 -G"}, "another one"),
        ({"lines": "-O0 -g"}, "for the host"),
        ({"only_g": ".debug_line"}, "lines only"),
        ({"only_g": ".debug_frame"}, "without any option"),
        ({"only_g": ".symtab"}, "no program runs slower"),
        ({"registers": 80}, "first column"),
    ],
)
def test_a_wrong_answer_about_device_code_is_told_why(work, changes, words):
    work.answer_device(**changes)
    verdict = work.grade("device_code")
    assert verdict.state == "failed"
    assert words in verdict.next_step


def test_registers_upside_down_are_told_so(work):
    answer = work.evidence.record("exercises-device_code-answer").facts["answer"]
    work.answer_device(registers=1 / answer["registers"])
    assert "Upside down" in work.grade("device_code").next_step


@pytest.mark.parametrize("table", [{}, [], {"-O3": {"registers": True}}])
def test_a_table_of_another_shape_is_bad_evidence(work, table):
    work.record("exercises-device", {"kernel": label_of(TOKEN), "table": table})
    assert "not complete" in work.grade("device_code").seen


def test_a_changed_table_is_not_the_recorded_one(work):
    table = work.evidence.record("exercises-device").facts["table"]
    table["-O0"]["registers"] = 99
    work.record("exercises-device", {"kernel": label_of(TOKEN), "table": table})
    work.answer_device()
    assert "differ from the recording" in work.grade("device_code").seen


def test_a_record_without_libraries_is_bad_evidence(tmp_path):
    assert "Expected the libraries Debug, RelWithDebInfo, Release" in Work(tmp_path).grade("build_types").seen


@pytest.fixture
def measure_calls(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The function of speed.py, as the lesson writes it, with an operator that does nothing."""
    monkeypatch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "0")  # the script sets it, too
    cell = LESSON.read_text().partition("%%writefile work/06_exercises/speed.py\n")[2].partition("\n```\n")[0]
    script: dict[str, Any] = {"__name__": "speed"}
    exec(compile(cell, "speed.py", "exec"), script)
    operators = SimpleNamespace(_C=SimpleNamespace(rotary_embedding=lambda: None))
    script.update(torch=SimpleNamespace(ops=operators), inputs=lambda *_: ())
    return script["measure_calls"]


@pytest.mark.parametrize("lane", ["cpu", "cuda"])
def test_no_build_is_always_measured_after_the_same_one(measure_calls: Any, lane: str) -> None:
    used: list[str] = []
    names = NAMES if lane == "cpu" else visible.BUILDS["cuda"]
    first, samples = measure_calls(SimpleNamespace(names=names, lane="cpu", use=used.append), 8, "float32")
    assert {name: len(found) for name, found in samples.items()} == dict.fromkeys(names, 40)
    assert set(first) == set(names)
    for name in names:
        before = Counter(one for one, other in pairwise(used) if other == name)
        assert max(before.values()) < 0.4 * before.total(), (name, before)
