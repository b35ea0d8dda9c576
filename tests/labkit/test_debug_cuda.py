"""The CUDA half of lesson 03, without a GPU: planted failures, what cuda-gdb says, recordings, and the checks on both lanes."""

import json
import re
import shutil
import struct
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grading.checks import debuggers_cuda as hidden
from grading.submission import Submission
from labkit import pins
from labkit.checks import cuda_plants, cuda_recorded, cuda_text
from labkit.checks import debuggers_cuda as visible
from labkit.checks.cuda_plants import AFTER, KERNEL, KINDS, VARIANTS, Plant, plant_of
from labkit.debug import cuda_hang
from labkit.debug.cuda import Cuda
from labkit.debug.cuda_batch import turns_of
from labkit.debug.cuda_replay import Replay
from labkit.debug.float16 import float16
from labkit.debug.gdb_text import clipped
from labkit.debug.planted import planted
from labkit.evidence import BadEvidence, Evidence
from labkit.lane import Lane
from labkit.learner import token_of, word
from labkit.messages import LearnerMessage
from labkit.paths import cache
from labkit.recorder import Recorder

RECORDED = Path(__file__).parent / "debug_logs" / "cuda-gdb_reshape_and_cache_flash.txt"
H100 = Path(__file__).parents[2] / "recordings" / "cuda-reference" / "evidence"
TEMPLATE = "vllm::reshape_and_cache_flash_kernel<unsigned short, unsigned short, (vllm::Fp8KVCacheDataType)0>"
LEARNERS = ("ada", "bob", "carol", "dan", "eve")
SLOTS = list(range(16, 26))
KEY = [[0.5 + token, -1.25, 0.0, 2.0] for token in range(len(SLOTS))]
GOOD = 5.0
LESSON = {  # what its cells type
    "entry": [f"break {KERNEL}", "run", "bt 3", "continue", "info cuda kernels", "info locals", "next", "next", "next", "info locals"],
    "own step": ["delete", "continue", f"break {KERNEL}", "continue", "continue", "delete", "info cuda kernels"],
}


# What the debuggers say


def test_a_real_session_is_taken_apart():
    text = RECORDED.read_text()
    assert cuda_text.focus(text) == ((0, 0, 0), (5, 0, 0))
    assert cuda_text.kernels(text) == [(True, (16384, 1, 1), (512, 1, 1), KERNEL)]
    assert [(frame.function, frame.line) for frame in cuda_text.frames(text)] == [(KERNEL, 326)]
    assert cuda_text.vector(text) == (5, 0, 0)


def test_vectors_are_read_on_one_line_and_pretty_printed():
    dialogue = json.loads((H100 / "debuggers-kernel.json").read_text())["facts"]["turns"]
    printed = {turn["typed"]: cuda_text.vector(turn["said"]) for turn in dialogue if turn["typed"].startswith("print ")}
    assert (printed["print blockIdx"], printed["print threadIdx"]) == ((1, 0, 0), (5, 0, 0))
    assert "\n" in next(turn["said"] for turn in dialogue if turn["typed"] == "print blockIdx"), "the lesson's own session prints it pretty"
    assert cuda_text.vector("$1 = {x = 1, y = 0, z = 0}") == (1, 0, 0)
    assert cuda_text.vector("$1 = {\n  x = 1,\n  y = 0\n}") is None


@pytest.mark.parametrize(
    ("said", "numbers"),
    [
        ("$1 = {16, 17, 18}", [16, 17, 18]),
        ("$2 = {16, 17 <repeats 3 times>, 0x1f}", [16, 17, 17, 17, 31]),
        ("$3 = {x = 1, y = 0, z = 0}", []),
        ("$4 = {007}", []),
        ("$5 = 5", []),
        ("", []),
    ],
)
def test_arrays(said, numbers):
    assert cuda_text.integers(said) == numbers


@pytest.mark.parametrize(("said", "number"), [("$1 = -1", -1), ("$2 = 0x1f", 31), ("$3 = <optimized out>", None), ("$4 = 010", None)])
def test_numbers(said, number):
    assert cuda_text.integer(said) == number


@pytest.mark.parametrize(("name", "line", "frame", "at"), [
    ("illegal-0", 345, ("cache_kernels.cu", 345), ((3, 0, 0), (133, 0, 0))),
    ("illegal-1", 350, ("vectorization_utils.cuh", 113), ((5, 0, 0), (32, 0, 0))),  # a write: the warp went on
    ("illegal-2", 359, ("cache_kernels.cu", 359), ((2, 0, 0), (42, 0, 0))),
    ("hang-0", None, ("cache_kernels.cu", 346), ((4, 0, 0), (128, 0, 0))),
    ("hang-1", None, ("cache_kernels.cu", 350), ((2, 0, 0), (0, 0, 0))),
    ("hang-2", None, ("cache_kernels.cu", 359), ((6, 0, 0), (64, 0, 0))),
])  # fmt: skip
def test_a_real_core_dump_is_taken_apart(name, line, frame, at):
    opened, backtrace = (turn["said"] for turn in cuda_recorded.recording(name).dialogues["core"]["turns"][:2])
    assert cuda_text.triggered(opened) == (line and ("cache_kernels.cu", line))
    assert [(f.function, f.file.rpartition("/")[2], f.line) for f in cuda_text.frames(backtrace)] == [(KERNEL, *frame)]
    assert cuda_text.focus(opened) == at


def test_real_tracebacks_and_stacks_end_in_a_function_of_vllm():
    for number in range(3):
        runs = cuda_recorded.recording(f"illegal-{number}").runs
        assert [visible.blamed(runs[which]["output"]) for which in ("plain", "blocking")] == [
            "__torch_function__",
            "flash_attn_varlen_func",
        ]
        assert visible.waiting(cuda_recorded.recording(f"hang-{number}").facts["notes"]["stack"]) == "__torch_function__"


def test_faulthandler_names_the_main_thread_last():
    other = 'Thread 0x1 (most recent call first):\n  File "site-packages/vllm/usage/usage_lib.py", line 255 in report\n\n'
    main = 'Current thread 0x2 (most recent call first):\n  File "site-packages/vllm/model_executor/parameter.py", line 124 in __torch_function__\n'
    assert visible.waiting(other + main) == "__torch_function__"


@pytest.mark.parametrize(("file", "is_one"), [
    ("site-packages/vllm/v1/engine/core.py", True), ("vllm/envs.py", True), ("/home/me/vllm/.venv/lib/python3.12/site-packages/torch/_ops.py", False),
])  # fmt: skip
def test_files_of_vllm(file, is_one):
    assert bool(visible.VLLM_FILE.search(file)) == is_one


def test_recordings_hold_no_paths_of_the_machine_that_made_them():
    for path in cuda_recorded.FOLDER.glob("*.json"):
        assert not re.search(r"/tmp/|/root|/kernel/|labkit-cache|/work/l03|/usr/lib", path.read_text()), path.name
    assert sum(path.stat().st_size for path in cuda_recorded.FOLDER.glob("*.json")) < 600_000


def test_a_sanitizer_report_is_taken_apart():
    found = cuda_text.accesses(report(356, 2, 3))
    assert [(a.does, a.function, a.file, a.line, a.thread, a.block) for a in found][1] == (
        "write 2", KERNEL, "cache_kernels.cu", 356, (1, 0, 0), (2, 0, 0),
    )  # fmt: skip
    assert cuda_text.errors(report(356, 2, 3)) == 3


READERS = [
    cuda_text.focus, cuda_text.value, cuda_text.vector, cuda_text.integer, cuda_text.integers, cuda_text.frames, cuda_text.kernels,
    cuda_text.accesses, cuda_text.errors, cuda_text.python_frames, cuda_text.spied_frames, cuda_text.triggered, cuda_text.first_traceback,
    visible.blamed, visible.waiting,
]  # fmt: skip
WORDS = st.sampled_from(
    ["$1 = {", "x = 1, ", "<repeats 9999 times>", "#0  ", "0x7f", " in ", "<<<(1,1,1),(", "*  0 - 0", "\n", "=========", " Invalid __global__ write",
     "of size 2 bytes\n", " focus set to CUDA kernel 0, grid 1, block (", "9" * 30, "at a.cu:", "The exception was triggered at PC 0x1 ", "inlined from ", "Traceback (most recent call last)", "[rank0]:", 'File "vllm/x.py", line 3, in f', "CUDA error: ", " " * 50, ")", "("]
)  # fmt: skip


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
@given(text=st.one_of(st.text(max_size=300), st.lists(st.one_of(WORDS, st.text(max_size=5)), max_size=40).map("".join)))
def test_no_text_makes_a_reader_fail(reader, text):
    reader(text)


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
@pytest.mark.parametrize(
    "piece",
    [
        "a",
        " ",
        "* 0 ",
        "(1,",
        "#1 ",
        "{0, ",
        "=========     at ",
        "The exception was triggered at PC 0x1 (",
        "#1 a at b:1 in ",
        'File "',
        "$1 = ",
        "x = 1\n",
    ],
)
def test_long_text_is_read_in_bounded_time(reader, piece, benchmark_seconds=2.0):
    import time

    began = time.monotonic()
    reader(piece * (400_000 // len(piece)))
    assert time.monotonic() - began < benchmark_seconds


# Planted failures


def source():
    lines = ["\n"] * 400
    for number, text in AFTER.items():
        lines[number - 1] = text + "\n"
    return "".join(lines)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", range(3))
def test_a_failure_stands_on_its_line(kind, number):
    plant = Plant(kind, number, 3, 7)
    assert planted(source(), plant).splitlines()[plant.line - 1] == plant.statement
    assert "{" not in plant.statement.replace("cache_t{}", "")


def test_the_places_are_those_of_vllm():
    tree = cache() / "src" / f"vllm-{pins.VLLM}"
    if not tree.is_dir():
        pytest.skip("no sdist here")
    text = (tree / cuda_plants.SOURCE).read_text()
    for kind in KINDS:
        for number in range(len(VARIANTS[kind])):
            planted(text, Plant(kind, number, 1, 5))
    body = text.splitlines()
    start = next(n for n, line in enumerate(body, 1) if f"{KERNEL}(" in line and "__global__" in line)
    end = next(n for n, line in enumerate(body[start:], start + 1) if line == "}")
    assert all(start < after < end for after in AFTER)


def test_another_source_is_refused():
    with pytest.raises(LearnerMessage, match=re.escape(pins.VLLM)):
        planted("int x;\n", Plant("hang", 0, 1, 5))


def test_learners_get_different_failures():
    assert len({(plant_of(token_of(f"learner-{n}"), "illegal")) for n in range(40)}) > 10


@pytest.mark.parametrize("number", range(3))
def test_damage_is_not_hidden_by_what_the_small_program_writes(number):
    slots = [*visible.MIDDLE, visible.end_of(Plant("oob", number, 1, 5))]
    damaged = [(slot + 1, slot - 1, (slot // 16 + 1) * 16)[number] for slot in slots]
    assert not {row % visible.SLOTS for row in damaged} & set(slots)
    assert [row for row in damaged if not 0 <= row < visible.SLOTS] == [(64, -1, 64)[number]]


# Dialogues


def test_a_batch_run_is_cut_into_turns():
    output = "noise\n@@turn 0\n$1 = 5\n@@turn 1\nframe   \n\n@@turn 2\nlate noise\n"
    assert [(t.typed, t.said) for t in turns_of(output, ["print 5", "bt"])] == [("print 5", "$1 = 5"), ("bt", "frame")]


def test_what_was_never_reached_is_left_out():
    assert [t.typed for t in turns_of("@@turn 0\nx\n", ["run", "bt"])] == ["run"]


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """The recordings, and where memcheck's are still to be made one for each variant that looks like them."""
    folder = tmp_path / "recorded"
    shutil.copytree(cuda_recorded.FOLDER, folder)
    for number in range(3):
        path, plant = folder / f"oob-{number}.json", Plant("oob", number, number + 2, (5, 7, 11)[number])
        if not path.exists():
            path.write_text(json.dumps({"schema": 1, "name": path.stem, "plant": vars(plant), "dialogues": {}, **oob_recording(plant)}))
    monkeypatch.setattr(cuda_recorded, "FOLDER", folder)
    cuda_recorded.recording.cache_clear()
    yield folder
    cuda_recorded.recording.cache_clear()


def test_a_replay_goes_forward_and_finds_a_focus_anywhere(recorded):
    replay = Replay("kernel")
    assert "Breakpoint 1" in replay.type(f"break {KERNEL}")
    assert "focus" in replay.type("cuda  block (4,0,0) thread (101,0,0)")
    assert "goes on with" in replay.type("print slot_idx"), "its line has not run yet"
    assert replay.type("next 4").startswith("344")
    assert "goes on with" in replay.type("print nonsense")
    assert "focus" in replay.type("cuda block 1 thread 5"), "NVIDIA's short spelling"
    for _ in range(4):
        assert "goes on" not in replay.type("n")
    assert replay.type("p slot_idx") == "$11 = 17"
    assert [turn.typed for turn in replay.transcript.turns][-1] == "print slot_idx"


@pytest.mark.parametrize(
    "line", ["cuda block (1,0,0)", "cuda kernel 1 block (1,0,0) thread (5,0,0)", "cuda block (99,0,0) thread (5,0,0)", "cuda"]
)
def test_a_focus_that_was_not_recorded_is_answered_with_the_form_of_one(line):
    said = Replay("kernel").type(line)
    assert "cuda block (B,0,0) thread (T,0,0)" in said and "goes on with" not in said


@pytest.mark.parametrize("session", ["entry", "own step", *cuda_recorded.SCENES])
def test_the_recording_answers_all_that_the_lesson_types(session):
    replay = Replay("kernel")
    before = LESSON["entry"] if session == "own step" else []
    for command in [*before, *LESSON[session]] if isinstance(session, str) else scene_commands(*session):
        assert "nobody typed this" not in replay.type(command), command


def test_a_long_line_keeps_both_ends():
    line = (
        "#0  0x00007f in " + TEMPLATE + "<<<(10,1,1),(192,1,1)>>> (" + "key=0x7ffbd0800480, " * 20 + ") at work/csrc/cache_kernels.cu:336"
    )
    shown = clipped(line)
    assert shown.startswith("#0  0x00007f in vllm::reshape_and_cache_flash_kernel<…><<<(10,1,1)")
    assert shown.endswith("cache_kernels.cu:336")
    assert len(shown) <= 240


# The learner's own cell about the key


@pytest.mark.parametrize("bits", [[0x3C00, 0xC000, 0, 0x3800], ["0x3c00", "0xc000", "0x0", "0x3800"], (15360, "0xc000", 0, 0x3800)])
def test_bits_become_the_numbers_that_they_stand_for(bits):
    assert float16(bits) == [1.0, -2.0, 0.0, 0.5]


@pytest.mark.parametrize("bits", [..., [..., ..., ..., ...], [0x3C00, ..., 0, 0]])
def test_bits_that_are_not_filled_in_are_no_answer_yet(bits):
    assert float16(bits) is ...


@pytest.mark.parametrize(
    "bits", [[1.42, 0.5, 0, 0], 0x3DAF, "0x3daf", [], [1, 2, 3], [1, 2, 3, 4, 5], [0x10000, 0, 0, 0], [-1, 0, 0, 0], ["3daf"] * 4, [None] * 4, {1, 2, 3, 4}, [10**30] * 4]
)  # fmt: skip
def test_what_is_no_four_patterns_gets_a_message(bits):
    with pytest.raises(LearnerMessage, match=r"(?s)BITS are not four numbers.*without quotes: \[0x3c00"):
        float16(bits)


# The checks, on both lanes


@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize("lane", ["cpu", "cuda"])
@pytest.mark.parametrize("name", ["kernel", "illegal_access", "hang"])
def test_the_right_evidence_passes(recorded, tmp_path, learner, lane, name):
    handed = hand_in(tmp_path, learner, lane)
    verdict = handed.judge(name)
    assert verdict.state == "passed", (verdict.seen, verdict.expected)
    assert all(row.ok for row in getattr(visible, name)(handed.evidence))


def test_no_row_shows_what_is_asked_for(recorded, tmp_path):
    """Before anything is filled in."""
    handed = hand_in(tmp_path, "ada", "cpu")
    answers = {name: handed.facts(f"debuggers-{name}-answer")["answer"] for name in ("illegal", "hang")}
    for name, empty in {"illegal": {"blamed": None}, "hang": {"waits_in": None}}.items():
        handed.change(f"debuggers-{name}-answer", answer=answers[name] | empty)
    shown = " ".join(f"{row.seen} {row.expected}" for check in (visible.illegal_access, visible.hang) for row in check(handed.evidence))
    assert not [name for name in (*answers["illegal"]["blamed"], answers["hang"]["waits_in"]) if name in shown]


WRONG = [
    ("kernel", "debuggers-kernel-answer", {"head": 99}),
    ("kernel", "debuggers-kernel-answer", {"slot": 16}),
    ("kernel", "debuggers-kernel-answer", {"key": [1.0, 2.0, 3.0, 4.0]}),
    ("kernel", "debuggers-kernel-answer", {"place": [0, 0]}),
    ("illegal_access", "debuggers-illegal-answer", {"silent_line": 1}),
    ("illegal_access", "debuggers-illegal-answer", {"warp": 50}),
    ("illegal_access", "debuggers-illegal-answer", {"blamed": ["do_kv_cache_update", "flash_attn_varlen_func"]}),
    ("illegal_access", "debuggers-illegal-answer", {"blamed": "flash_attn_varlen_func"}),
    ("hang", "debuggers-hang-answer", {"line": 337}),
    ("hang", "debuggers-hang-answer", {"waits_in": "main"}),
    ("hang", "debuggers-hang-answer", {"warp": 32}),
]


@pytest.mark.parametrize(("name", "record_id", "change"), WRONG)
def test_a_wrong_answer_fails(recorded, tmp_path, name, record_id, change):
    handed = hand_in(tmp_path, "ada", "cpu")
    handed.change(record_id, answer=handed.facts(record_id)["answer"] | change)
    assert handed.judge(name).state == "failed"


@pytest.mark.parametrize("lane", ["cpu", "cuda"])
@pytest.mark.parametrize("name", ["kernel", "illegal_access", "hang"])
def test_what_another_learner_saw_fails(recorded, tmp_path, lane, name):
    mine, other = (hand_in(tmp_path / who, who, lane) for who in ("ada", stranger("ada")))
    for path in mine.folder.glob("*.json"):
        if "answer" not in path.name:
            mine.change(path.stem, **other.facts(path.stem))
            mine.refresh()
    assert mine.judge(name).state == "failed"


def test_a_changed_transcript_fails(recorded, tmp_path):
    handed = hand_in(tmp_path, "ada", "cpu")
    turns = handed.facts("debuggers-kernel")["turns"]
    turns[-1]["said"] += " "
    handed.change("debuggers-kernel", turns=turns)
    handed.refresh()
    assert handed.judge("kernel").state == "failed"


@given(
    junk=st.recursive(
        st.one_of(st.none(), st.integers(), st.text(max_size=5)),
        lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=3), x, max_size=3),
    )
)
def test_no_evidence_makes_a_check_fail_otherwise_than_with_a_verdict(junk):
    facts = dict.fromkeys(("turns", "torch", "plain", "blocking", "padded", "notes", "answer", "recording", "slots"), junk)
    record = SimpleNamespace(facts=facts, token=token_of("ada"), lane="cuda", machine=SimpleNamespace(gpu="GPU"))
    evidence = SimpleNamespace(record=lambda _: record, digest=lambda _: "x")
    for name in ("kernel", "illegal_access", "hang"):
        assert not all(row.ok for row in getattr(visible, name)(evidence))


# Evidence as the lesson writes it


class Handed:
    def __init__(self, folder, learner):
        self.folder, self.learner = folder / "evidence", learner
        self.evidence = Evidence(self.folder, learner)

    def judge(self, name):
        try:
            return getattr(hidden, name)(Submission(self.folder.parent, self.learner), GOOD)  # a new one: it reads each file once
        except BadEvidence as bad:
            return SimpleNamespace(state="failed", seen=str(bad), expected="")

    def facts(self, record_id):
        return json.loads((self.folder / f"{record_id}.json").read_text())["facts"]

    def change(self, record_id, **facts):
        path = self.folder / f"{record_id}.json"
        record = json.loads(path.read_text())
        record["facts"] |= facts
        path.write_text(json.dumps(record))

    def refresh(self):
        for answer in self.folder.glob("*-answer.json"):
            self.change(answer.stem, about=self.evidence.digest(answer.stem.removesuffix("-answer")))


def stranger(learner):
    """Somebody whose scene and failures are all others than the learner's."""

    def own(who):
        token = token_of(who)
        return [cuda_recorded.scene_of(token), *((p.number, p.row, p.factor) for p in (plant_of(token, kind) for kind in KINDS))]

    mine = own(learner)
    return next(f"s{n}" for n in range(10_000) if all(a[0] != b[0] for a, b in zip(mine, own(f"s{n}"), strict=True)))


def hand_in(folder, learner, lane):
    token = token_of(learner)
    recorder = Recorder(folder / "evidence", learner, Lane(lane, (), "float16", "NVIDIA H100" if lane == "cuda" else None))
    plants = {
        kind: plant_of(token, kind) if lane == "cuda" else cuda_recorded.recording(cuda_recorded.recorded_for(token, kind)).plant
        for kind in KINDS
    }
    handed = Handed(folder, learner)
    for record_id, facts, answer in (
        kernel_facts(token, lane),
        oob_facts(token, lane, plants["oob"]),
        illegal_facts(token, lane, plants),
        hang_facts(token, lane, plants["hang"]),
    ):
        recorder.write(record_id, facts=facts)
        if answer is not None:
            recorder.write(f"{record_id}-answer", facts={"answer": answer, "about": handed.evidence.digest(record_id)})
    return handed


def kernel_facts(token, lane):
    block, thread = cuda_recorded.scene_of(token)
    torch = {
        "prompt": f"{word(token, 'harbour')} {word(token, 'visitor')}",
        "layer": hidden.pick(token, "layer", 30),
        "slot_mapping": SLOTS,
        "key": KEY,
    }
    turns = [*entry(), *scene(block, thread)]
    if lane == "cpu":
        torch, turns = cuda_recorded.recording("kernel").facts["torch"], []
        replay = Replay("kernel")
        for command in (*LESSON["entry"], *LESSON["own step"], *scene_commands(block, thread)):
            turns.append({"typed": command, "said": replay.type(command)})
    slots, keys = torch["slot_mapping"], torch["key"]
    answer = {
        "tokens": len(slots), "slot": slots[block], "place": list(divmod(slots[block], 16)), "key": keys[block],
        "head": thread // 32 if thread < 96 else None,
    }  # fmt: skip
    return "debuggers-kernel", {"turns": turns, "torch": torch, "recording": "kernel" if lane == "cpu" else ""}, answer


def oob_facts(token, lane, plant):
    name = cuda_recorded.recorded_for(token, "oob")
    slots = cuda_recorded.recording(name).facts["slots"] if lane == "cpu" else visible.slots_of(token)
    text = report(plant.line, slots.index(visible.end_of(plant)), plant.factor)
    runs = cuda_recorded.recording(name).runs if lane == "cpu" else {"plain": a_run(""), "memcheck": a_run(""), "padded": a_run(text)}
    return "debuggers-oob", {**runs, "slots": slots, "recording": name if lane == "cpu" else ""}, None


def illegal_facts(token, lane, plants):
    plant, silent = plants["illegal"], plants["oob"]
    facts, (block, thread) = crash_facts(token, lane, plant)
    slots = visible.slots_of(token) if lane == "cuda" else cuda_recorded.recording(cuda_recorded.recorded_for(token, "oob")).facts["slots"]
    answer = {
        "silent_line": silent.line, "silent_block": slots.index(visible.end_of(silent)), "silent_threads": silent.factor,
        "line": plant.line, "block": block, "warp": thread // 32, "blamed": ["__torch_function__", "flash_attn_varlen_func"],
    }  # fmt: skip
    return "debuggers-illegal", {**cuda_recorded.recording(f"illegal-{plant.number}").runs, **facts}, answer


def hang_facts(token, lane, plant):
    facts, (block, thread) = crash_facts(token, lane, plant)
    answer = {"line": plant.line, "block": block, "warp": thread // 32, "waits_in": "BasevLLMParameter.__torch_function__"}
    return "debuggers-hang", {"notes": cuda_recorded.recording(f"hang-{plant.number}").facts["notes"], **facts}, answer


def crash_facts(token, lane, plant):
    """What a core dump shows: the recorded one, or on the cuda lane the same one moved to the learner's own block and thread."""
    found = cuda_recorded.recording(f"{plant.kind}-{plant.number}")
    turns = found.dialogues["core"]["turns"]
    if lane == "cpu":
        (block, *_), (thread, *_) = cuda_text.focus(turns[0]["said"])
        return {"turns": turns, "recording": cuda_recorded.recorded_for(token, plant.kind)}, (block, thread)
    block, thread = plant.row, plant.thread(16 + plant.row, 192)
    own = f"block ({block},0,0), thread ({thread},0,0)"
    moved = [{**turn, "said": re.sub(r"block \(\d+,0,0\), thread \(\d+,0,0\)", own, turn["said"])} for turn in turns]
    return {"turns": moved, "recording": ""}, (block, thread)


# What a live run writes


def oob_recording(plant):
    slots = [21, 42, visible.end_of(plant), 11]
    padded = a_run(report(plant.line, slots.index(visible.end_of(plant)), plant.factor))
    return {
        "runs": {"plain": a_run("rows"), "memcheck": a_run("========= ERROR SUMMARY: 0 errors"), "padded": padded},
        "facts": {"slots": slots},
    }


def a_run(output):
    return {"command": ["python3"], "exit_code": 1, "seconds": 1.5, "output": output, "timed_out": False}


def report(line, block, threads):
    entries = [
        f"========= Invalid __global__ write of size 2 bytes\n=========     at void {TEMPLATE}(const T1 *, T2 *)+0x4b0 in cache_kernels.cu:{line}\n"
        f"=========     by thread ({thread},0,0) in block ({block},0,0)\n=========     Access to 0x7f2f01a08000 is out of bounds\n=========\n"
        for thread in range(threads)
    ]
    return f"========= COMPUTE-SANITIZER\n{''.join(entries)}========= ERROR SUMMARY: {threads} errors\n"


def turn(typed, said):
    return {"typed": typed, "said": said}


def entry():
    table = f"  Kernel Parent Dev Grid Status SMs Mask GridDim BlockDim Invocation\n*      0      -   0  320 Active 0x0f ({len(SLOTS)},1,1) (192,1,1) {TEMPLATE}(key=0x7f)"
    return [turn(f"break {KERNEL}", "Breakpoint 1 (pending)"), turn("run", "stopped"), turn("info cuda kernels", table)]


def scene_commands(block, thread):
    return [f"cuda block ({block},0,0) thread ({thread},0,0)", "print blockIdx", "print threadIdx", *["next"] * 4, "print slot_idx", "next 9",
            "print/x key_src[0]@4"]  # fmt: skip


def scene(block, thread):
    at = f"[Switching focus to CUDA kernel 0, grid 320, block ({block},0,0), thread ({thread},0,0), device 0, sm 8, warp 2, lane 5]\n337\t  x"
    bits = ", ".join(hex(b) for b in struct.unpack("<4H", struct.pack("<4e", *KEY[block])))
    return [
        turn(f"cuda block ({block},0,0) thread ({thread},0,0)", at), turn("print blockIdx", f"$5 = {{x = {block}, y = 0, z = 0}}"),
        turn("print threadIdx", f"$6 = {{x = {thread}, y = 0, z = 0}}"), turn("print slot_idx", f"$9 = {SLOTS[block]}"),
        turn("print/x key_src[0]@4", f"$10 = {{{bits}}}"),
    ]  # fmt: skip


# A process that hangs, for real but without a GPU: it waits in C, and one of its threads plays the driver's part

PROGRAM = """
import ctypes, faulthandler, os, signal, threading
faulthandler.register(signal.SIGUSR1)
pid = str(os.getpid())
pipe, core = (os.environ[name].replace("%p", pid) for name in ("CUDA_COREDUMP_PIPE", "CUDA_COREDUMP_FILE"))
os.mkfifo(pipe)
def driver():
    with open(pipe, "rb") as asked:
        asked.read(1)
    with open(core, "wb") as out:
        out.write(b"core" * 100)
threading.Thread(target=driver, daemon=True).start()
print("the engine is ready", flush=True)
lock = ctypes.create_string_buffer(64)
for _ in range(2):
    ctypes.CDLL(None).pthread_mutex_lock(lock)
"""


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(cuda_hang, "_gpu_load", lambda _: "100 %")  # there is none here
    for name, seconds in {"HUNG_SECONDS": 0.1, "PATIENCE": 0.5, "START_SECONDS": 20.0}.items():
        monkeypatch.setattr(cuda_hang, name, seconds)


def test_a_hanging_process_is_seen_dumped_and_ended(tmp_path, impatient):
    (tmp_path / "hang.py").write_text(PROGRAM)
    with cuda_hang.Hanging([sys.executable, "hang.py"], folder=tmp_path, env=cuda_hang.DUMP) as hanging:
        hanging.interrupt()
        assert "hang.py" in hanging.stack()
        assert hanging.dump().read_bytes() == b"core" * 100
        assert psutil.pid_exists(hanging.pid)
    assert hanging.notes["ended_by_ctrl_c"] is False
    assert (hanging.notes["core_bytes"], hanging.notes["exit_code"]) == (400, -9)
    assert not psutil.pid_exists(hanging.pid)


@pytest.mark.parametrize(
    ("program", "words"), [("print('the engine is ready')", "nothing hangs"), ("raise SystemExit(3)", "did not get its engine ready")]
)
def test_a_program_that_does_not_hang_is_named_as_such(tmp_path, impatient, program, words):
    with pytest.raises(LearnerMessage, match=words):
        cuda_hang.Hanging([sys.executable, "-c", program], folder=tmp_path, env={})


def test_a_program_hangs_after_a_restart_too(tmp_path, monkeypatch):
    """The overlays of step 7 are built for whoever begins with step 8."""
    overlay = SimpleNamespace(library=tmp_path / "liboverlay.so", environment=lambda: {"VLLM_OVERLAY": "planted"})
    overlay.library.write_bytes(b"built")
    cuda = Cuda(SimpleNamespace(lane=Lane("cuda", (), "float16", "NVIDIA H100"), scratch=lambda *_: tmp_path), tmp_path)
    monkeypatch.setattr(cuda, "_build", lambda kind: overlay)
    monkeypatch.setattr("labkit.debug.cuda.Hanging", lambda command, *, folder, env: env)
    assert cuda.hanging(["python", "infer.py"])["VLLM_OVERLAY"] == "planted"
