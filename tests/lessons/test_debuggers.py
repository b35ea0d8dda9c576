"""Hidden checks of lesson 03's gdb sessions: a real session passes (test_checks.py); one that is made up, spoilt or someone else's does not."""

import copy
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.checks import transcripts, visible_check
from labkit.evidence import Evidence
from labkit.records import Machine, Record

FUNCTION = "compute_slot_mapping_kernel_impl"


def turn(facts, typed):
    """The last turn in which this was typed."""
    return [t for t in facts["turns"] if t["typed"].startswith(typed)][-1]


def drop(facts, *typed):
    facts["turns"] = [t for t in facts["turns"] if not t["typed"].startswith(typed)]


def retype(facts, old, new):
    for one in facts["turns"]:
        one["typed"] = one["typed"].replace(old, new)


def at(facts, typed, **frame):
    """Change the innermost frame of a stop."""
    names = ("function", "file", "line")
    top = turn(facts, typed)["frames"][0]
    turn(facts, typed)["frames"][0] = [frame.get(name, top[i]) for i, name in enumerate(names)]


SPOILT = {
    # exercise, record, what is wrong with it, words of the message
    "a skip that skips nothing": ("init", "init", lambda f: turn(f, "step").update(frames=[["std::vector<int>::at", "/usr/include/c++/12/bits/stl_vector.h", 1]]), "star of your glob"),
    "no step": ("init", "init", lambda f: drop(f, "step"), "cell with the session"),
    "two globs": ("init", "init", lambda f: f["turns"].insert(0, {"typed": "skip -gfi /usr/include/c++/12/*", "said": ""}), "as the lesson types it"),
    "another learner's function": ("init", "init", lambda f: at(f, "run", function="probe_00000000"), "from the one that compiles"),
    "a stop elsewhere": ("first_stop", "wheel", lambda f: at(f, "run", function="main"), "Two commands"),
    "no backtrace": ("first_stop", "wheel", lambda f: drop(f, "backtrace"), "cell after yours"),
    "a stack without depth": ("first_stop", "wheel", lambda f: [t.update(frames=t["frames"][:3]) for t in f["turns"] if "frames" in t], "from the cell that starts gdb"),
    "the overlay under it": ("first_stop", "wheel", lambda f: f["mapped"].append([f"liboverlay_{FUNCTION}.so", "ab" * 20]), "outside of any"),
    "someone else's prompt": ("first_stop", "wheel", lambda f: f["run"].update(prompt="At the heron a heron asked for"), "with the lesson's prompt"),
    "a run that was cut off": ("first_stop", "wheel", lambda f: f.update(run={}), "to its end"),
    "another function counted": ("hits", "wheel", lambda f: retype(f, "break cpu_attention_with_kv_cache", "break onednn_mm"), "on COUNTED"),
    "hits of another run": ("hits", "wheel", lambda f: turn(f, "info breakpoints").update(said="breakpoint already hit 270 times"), "at the first stop"),
    "no hits": ("hits", "wheel", lambda f: drop(f, "info breakpoints"), "Have it ignored"),
    "locals lost": ("overlay_stop", "overlay", lambda f: turn(f, "info locals").update(said="req_num = <optimized out>"), "before and after"),
    "one look": ("overlay_stop", "overlay", lambda f: drop(f, "info locals"), "before and after"),
    "never stepped": ("overlay_stop", "overlay", lambda f: drop(f, "next"), "LINES"),
    "nothing watched": ("overlay_stop", "overlay", lambda f: [t.pop("stop") for t in f["turns"] if t.get("stop") == "watchpoint-trigger"], "VALUE"),
    "the wheel's build": ("overlay_stop", "overlay", lambda f: f.update(mapped=f["mapped"][:1]), "from the cell that starts gdb"),
    "another build": ("overlay_stop", "overlay", lambda f: f.update(mapped=[*f["mapped"][:1], [f"liboverlay_{FUNCTION}.so", "ab" * 20]]), "lesson 02, step 1"),
    "the wheel's file": ("overlay_stop", "overlay", lambda f: at(f, "run", file="/tmp/vllm/csrc/cpu/other.cpp"), "Is the overlay built"),
    "a line of another function": ("overlay_stop", "overlay", lambda f: at(f, "run", line=40), "from the cell that starts gdb"),
    "another learner's number": ("condition", "overlay", lambda f: retype(f, "== 14", "== 13"), "PLACE if CONDITION"),
    "no condition": ("condition", "overlay", lambda f: retype(f, " if positions_ptr[0] == 14", ""), "PLACE if CONDITION"),
    "a condition that is always true": ("condition", "overlay", lambda f: retype(f, "positions_ptr[0] == 14", "positions_ptr[0] == 14 || 1"), "PLACE if CONDITION"),
    "a slot that does not fit": ("condition", "overlay", lambda f: turn(f, "print slot_mapping_ptr[0]").update(said="$2 = 143"), "after the loop"),
    "the slot of the step before": ("condition", "overlay", lambda f: turn(f, "print slot_mapping_ptr[0]").update(said="$2 = 141"), "after the loop"),
    "a position in block 0": ("condition", "overlay", lambda f: turn(f, "print slot_mapping_ptr[0]").update(said="$2 = 14"), "after the loop"),
    "printed the wrong one": ("condition", "overlay", lambda f: turn(f, "print positions_ptr[0]").update(said="$1 = 9"), "print the variable"),
    "no py-bt": ("two_stacks", "overlay", lambda f: drop(f, "py-bt"), "Run the cell with py-bt"),
    "a stack without the core's step": ("two_stacks", "overlay", lambda f: turn(f, "py-bt").update(said=re.sub(r'(engine/core.py", line \d+, in) step', r"\1 run_busy_loop", turn(f, "py-bt")["said"])), "at your own stop"),
    "a py-bt of nothing": ("two_stacks", "overlay", lambda f: turn(f, "py-bt").update(said="Unable to locate python frame"), "at your own stop"),
}  # fmt: skip
ANSWERS = [
    ("first_stop", "debuggers-shown-answer", ["function"], "had a value or a name"),
    ("first_stop", "debuggers-shown-answer", ["arguments", "function", "locals"], "had a value or a name"),
    ("first_stop", "debuggers-shown-answer", ["lines"], "set of these words"),
    ("hits", "debuggers-hits-answer", {"layers": 30, "steps": 9, "hits": 300}, "does the step that takes the prompt"),
    ("hits", "debuggers-hits-answer", {"layers": 30, "steps": 10, "hits": 270}, "info breakpoints say"),
    ("hits", "debuggers-hits-answer", {"layers": 30, "steps": "10", "hits": 300}, "without quotes"),
    ("two_stacks", "debuggers-stack-answer", {"caller": "__call__", "step_file": "vllm/v1/engine/core.py"}, "file of vllm/"),
    ("two_stacks", "debuggers-stack-answer", {"caller": "_compute_slot_mapping_kernel_impl", "step_file": "vllm/v1/engine/llm_engine.py"}, "which is the core's"),
    ("two_stacks", "debuggers-stack-answer", {"caller": None, "step_file": "core.py"}, "Copy it from the list"),
]  # fmt: skip
ABOUT = {"debuggers-hits-answer": "debuggers-wheel", "debuggers-stack-answer": "debuggers-overlay"}


def still_about(handed):
    for answer, run in ABOUT.items():
        handed.change(answer, about=Evidence(handed.folder / "evidence").digest(run))


@pytest.mark.parametrize("mistake", SPOILT)
def test_a_session_that_is_not_the_lessons_fails_and_says_what_to_do(handed, mistake):
    name, record, spoil, words = SPOILT[mistake]
    path = handed.folder / "evidence" / f"debuggers-{record}.json"
    document = json.loads(path.read_text())
    before = copy.deepcopy(document["facts"])
    spoil(document["facts"])
    assert document["facts"] != before, "the spoiler found nothing to spoil"
    path.write_text(json.dumps(document))
    still_about(handed)
    verdict = handed.grade(f"debuggers-{name}")
    assert (verdict.state, verdict.points) == ("failed", 0)
    assert words in verdict.next_step, verdict


def test_a_session_without_a_step_led_nowhere(handed):
    handed.change("debuggers-init", turns=[turn for turn in handed.facts("debuggers-init")["turns"] if turn["typed"] != "step"])
    rows = {row.what: row for row in visible_check("debuggers-init")(Evidence(handed.folder / "evidence"))}
    assert (rows["where they led"].seen, rows["where they led"].ok) == ("nowhere", False)


@pytest.mark.parametrize(("name", "record", "answer", "words"), ANSWERS, ids=[f"{a[0]}-{i}" for i, a in enumerate(ANSWERS)])
def test_a_wrong_answer_fails_and_the_message_names_the_misconception(handed, name, record, answer, words):
    handed.change(record, answer=answer)
    still_about(handed)
    verdict = handed.grade(f"debuggers-{name}")
    assert (verdict.state, verdict.points) == ("failed", 0)
    assert words.lower() in verdict.next_step.lower(), verdict


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=40), lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)  # fmt: skip
turn_like = st.fixed_dictionaries({}, optional={"typed": anything, "said": anything, "stop": anything, "frames": anything})


@given(st.lists(turn_like | anything, max_size=6) | anything)
def test_a_dialogue_of_any_shape_is_read_without_an_error(found):
    machine = Machine(cpu="x", cores=1, ram_gib=1)
    record = Record.model_construct(
        id="debuggers-wheel", lane="cpu", learner="x", token="0" * 16, versions={}, machine=machine, facts={"turns": found}
    )
    for one in transcripts.turns(record):
        assert isinstance(one.typed, str)
        assert one.top.line is not None
        transcripts.locals_shown(one), transcripts.hits_shown(one), transcripts.python_frames(one), transcripts.values_printed([one])


@given(st.text(max_size=2000))
def test_answers_of_any_text_are_read_without_an_error(said):
    one = transcripts.Said("info locals", said)
    transcripts.locals_shown(one), transcripts.hits_shown(one), transcripts.python_frames(one), transcripts.values_printed([one])


@pytest.mark.parametrize("text", ["x = " * 2000, '  File "' * 1000, "$1 = " * 1600, "already hit " * 700, "\n" * 8000, "a = b\n" * 1300])
def test_long_answers_are_read_at_once(text):
    one = transcripts.Said("print x", text[:8000])
    transcripts.locals_shown(one), transcripts.hits_shown(one), transcripts.python_frames(one), transcripts.values_printed([one])
