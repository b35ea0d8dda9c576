"""Lessons 00, 01 and 04: real evidence of both lanes, changed in one place to what no machine does, fails with the words that say where."""

import json

import pytest

from labkit.evidence import Evidence
from tests.lessons.conftest import hand_in


def edited(handed, record_id, edit):
    """Change a record, and what answers say they are about: a forger does both."""
    folder = handed.folder / "evidence"
    path = folder / f"{record_id}.json"
    before = Evidence(folder).digest(record_id)
    record = json.loads(path.read_text())
    edit(record)
    path.write_text(json.dumps(record))
    for answer in folder.glob("*-answer.json"):
        answer.write_text(answer.read_text().replace(before, Evidence(folder).digest(record_id)))


def facts(**changes):
    return lambda record: record["facts"].update(changes)


def top(**changes):
    return lambda record: record.update(changes)


def clocks(prefill, decode):
    """Timestamps so many seconds apart."""
    return facts(scheduled_ts=100.1234567, first_token_ts=100.1234567 + prefill, last_token_ts=100.1234567 + prefill + decode)


def rounded(record):
    record["facts"] |= {"import_s": 3.2, "engine_s": 4.1}
    clocks(0.05, 0.4)(record)


def processes(mode, change):
    return lambda record: change(record["facts"][mode]["processes"])


FORGED = [
    ("inference-first_tokens", "inference-first", "an import in no time", facts(import_s=0.001, engine_s=0.002), "import and engine"),
    ("inference-first_tokens", "inference-first", "a prefill of a microsecond", clocks(1e-6, 0.4123457), "prefill"),
    ("inference-first_tokens", "inference-first", "nine steps in a microsecond", clocks(0.0512345, 1e-6), "decode"),
    ("inference-first_tokens", "inference-first", "rounded phases", rounded, "the phases"),
    ("inference-first_tokens", "inference-first", "a prompt of one token", facts(prompt_tokens=1), "tokens of the prompt"),
    ("inference-first_tokens", "inference-first", "tokens that the model has not", facts(token_ids=[99_999] * 10), "vocabulary"),
    ("inference-first_tokens", "inference-first", "no versions", lambda r: [r["versions"].pop(name) for name in ("python", "torch")], "versions"),
    ("inference-watch_the_scheduler", "inference-steps", "no time", top(seconds=0.01), "seconds of the run"),
    ("inference-where_the_scheduler_lives", "inference-processes", "no time", top(seconds=0.01), "seconds of the run"),
    ("inference-where_the_scheduler_lives", "inference-processes", "one process number for all",
     processes("on", lambda found: [one.update(pid=7, parent=6) for one in found]), "process numbers"),
    ("inference-where_the_scheduler_lives", "inference-processes", "the script twice",
     processes("on", lambda found: found.append(dict(found[0]))), "process numbers"),
    ("inference-where_the_scheduler_lives", "inference-processes", "a stranger",
     processes("off", lambda found: found.append({**found[0], "pid": 9, "parent": 8})), "do not descend"),
    ("inference-where_the_scheduler_lives", "inference-processes", "engines of a MiB",
     processes("on", lambda found: [one.update(rss_mib=1) for one in found if one["name"].startswith("VLLM::")]), "smaller than Python"),
    ("start-read_an_exit_code", "start-exit-code", "gdb in no time", top(seconds=0.0), "seconds of the command"),
    ("environment-last_flag_wins", "environment-flags", "a build in no time", top(seconds=0.0), "seconds of the command"),
]  # fmt: skip


@pytest.mark.parametrize("lane", ["cpu", "cuda"])
@pytest.mark.parametrize(("grade_id", "record_id", "edit", "words"), [pytest.param(a, b, d, e, id=f"{b}: {c}") for a, b, c, d, e in FORGED])
def test_what_no_machine_does_earns_nothing(tmp_path, lane, grade_id, record_id, edit, words):
    handed = hand_in(f"{lane}-reference", tmp_path / "reference" / "day2")
    edited(handed, record_id, lambda record: None)
    assert handed.grade(grade_id).state == "passed"
    edited(handed, record_id, edit)
    verdict = handed.grade(grade_id)
    assert (verdict.state, verdict.points) == ("failed", 0), verdict
    assert words in verdict.seen, verdict
    assert verdict.next_step


def test_a_cpu_engine_without_the_weights_earns_nothing(handed):
    edited(handed, "inference-processes", processes("off", lambda found: found[0].update(rss_mib=300)))
    assert "largest process" in handed.grade("inference-where_the_scheduler_lives").seen


@pytest.mark.parametrize(("lane", "name"), [("cpu", "VLLM::Worker"), ("cuda", "VLLM::EngineCore")])
def test_each_lane_has_its_own_process_with_the_model(tmp_path, lane, name):
    handed = hand_in(f"{lane}-reference", tmp_path / "reference" / "day2")
    edited(
        handed,
        "inference-processes",
        processes("on", lambda found: [one.update(name="VLLM::Other") for one in found if one["name"] == name]),
    )
    assert handed.grade("inference-where_the_scheduler_lives").state == "failed"


@pytest.mark.parametrize(("steps", "advice"), [([23, 2], "append dict(output.num_scheduled_tokens)"), ([], "Fill the gap in spy.py")])
def test_steps_that_are_no_dictionaries_are_not_called_an_empty_gap(handed, steps, advice):
    edited(handed, "inference-steps", facts(steps=steps))
    assert advice in handed.grade("inference-watch_the_scheduler").next_step
