"""The journal and the day's log: kept quietly, read with suspicion, and nobody's business but the learner's."""

import json
import os
import time
from concurrent.futures import ProcessPoolExecutor

import pytest

from labkit import daylog, journal
from labkit.journal import PAUSE, Journal, Moment, moments, seconds_per_lesson
from labkit.lab import Lab
from labkit.messages import LearnerMessage
from labkit.submit import submit


@pytest.fixture
def lab(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Lab("00_start_here", learner="ada", lane="cpu")


def lines(folder):
    return [json.loads(line) for line in (folder / journal.NAME).read_text().splitlines()]


def test_lab_notes_what_happened_and_never_what_was_answered(lab, tmp_path, capsys):
    lab.check("start-what_is_graded")
    lab.answer("start-grading-quiz", {"b", "d"})
    noted = [(line["event"], line["what"]) for line in lines(tmp_path)]
    assert noted == [("open", ""), ("check", "start-what_is_graded"), ("record", "start-grading-quiz")]


def test_time_is_what_lies_between_two_moments_without_breaks():
    at = [
        Moment(0, "a", opened=True),
        Moment(60, "a"),
        Moment(60 + PAUSE, "a"),
        Moment(700, "a"),
        Moment(730, "b", opened=True),
        Moment(790, "b"),
    ]
    assert seconds_per_lesson(at) == {"a": 60 + 40 + 30, "b": 60}  # the minutes before b was opened were a's
    assert seconds_per_lesson([]) == {}


def test_moments_are_read_in_order_and_only_ones_own(tmp_path):
    for learner in ("ada", "bob"):
        Journal(tmp_path, learner, "01_environment").note("open")
    found = moments(tmp_path, "ada")
    assert [(m.lesson, m.opened) for m in found] == [("01_environment", True)]
    assert found[0].at == pytest.approx(time.time(), abs=5)


HOSTILE = [
    b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe", b"[" * 300, b'{"at": "x", "lesson": "a", "learner": "ada"}',
    b'{"at": NaN, "lesson": "a", "learner": "ada"}', b'{"at": 1e999, "lesson": "a", "learner": "ada"}',
    b'{"at": -5, "lesson": "a", "learner": "ada"}', b'{"at": 1' + b"0" * 320 + b', "lesson": "a", "learner": "ada"}',
    b'{"at": 9999999999, "lesson": "a", "learner": "ada"}', b'{"at": 5, "lesson": ["a"], "learner": "ada"}', b'{"at": 5, "learner": "ada"}',
    b'{"at": 5, "lesson": "a", "learner": "ada", "what": "' + b"x" * 400 + b'"}',
]  # fmt: skip


@pytest.mark.parametrize("line", HOSTILE, ids=range(len(HOSTILE)))
def test_a_line_that_is_none_of_ours_counts_as_nothing(tmp_path, line):
    (tmp_path / journal.NAME).write_bytes(line + b'\n{"at": 7, "lesson": "b", "learner": "ada"}\n')
    assert moments(tmp_path, "ada") == [Moment(7, "b")]


def test_a_journal_that_cannot_be_written_costs_the_lesson_nothing(lab, tmp_path, capsys):
    (tmp_path / journal.NAME).unlink()
    (tmp_path / journal.NAME).mkdir()
    lab.answer("start-grading-quiz", {"b"})
    assert lab.evidence.has("start-grading-quiz")
    assert moments(tmp_path, "ada") == []


def test_a_pipe_or_a_link_in_its_place_is_left_alone(tmp_path):
    os.mkfifo(tmp_path / journal.NAME)
    Journal(tmp_path, "ada", "a").note("open")  # must not wait for a reader
    assert moments(tmp_path, "ada") == []
    (tmp_path / journal.NAME).unlink()
    (tmp_path / "mine").write_text("precious")
    (tmp_path / journal.NAME).symlink_to("mine")
    Journal(tmp_path, "ada", "a").note("open")
    assert (tmp_path / "mine").read_text() == "precious"


def test_a_full_disk_is_quiet(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    Journal(tmp_path, "ada", "a").note("open")


def test_it_does_not_grow_without_end_and_keeps_the_newer_half(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "MAX_BYTES", 3000)
    mine = Journal(tmp_path, "ada", "a")
    for number in range(100):
        mine.note("record", f"r{number}")
    assert (tmp_path / journal.NAME).stat().st_size <= 3200
    assert lines(tmp_path)[-1]["what"] == "r99"


def write_many(folder, learner):
    mine = Journal(folder, learner, "a")
    for _ in range(200):
        mine.note("record", "x" * 60)


def test_two_processes_write_at_once_and_no_line_is_torn(tmp_path):
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(write_many, [tmp_path] * 2, ["ada", "bob"]))
    assert len(lines(tmp_path)) == 400


def test_neither_journal_nor_log_is_handed_in(lab, tmp_path):
    lab.answer("start-grading-quiz", {"b"})
    lab.log(confidence=7)
    handed = submit(tmp_path, tmp_path / "submitted", "ada")
    names = {path.name for path in handed.folder.rglob("*")}
    assert journal.NAME not in names
    assert daylog.NAME not in names
    assert "start-grading-quiz.json" in names


def test_the_log_is_kept_added_to_and_shown(lab, tmp_path, capsys):
    lab.log(confidence={"build": 7}, longest="02_source_build")
    lab.log(confidence={"debuggers": 4}, hours=6.5)
    assert json.loads((tmp_path / daylog.NAME).read_text()) == {
        "learner": "ada", "confidence": {"build": 7, "debuggers": 4}, "longest": "02_source_build", "hours": 6.5,
    }  # fmt: skip
    out = capsys.readouterr().out
    assert "7 of 10" in out
    assert "6.5 hours" in out
    assert not list(tmp_path.glob("evidence/*log*"))


@pytest.mark.parametrize(
    ("said", "words"),
    [({"confidence": 11}, "1 \\(lost\\) to 10"), ({"confidence": {"cooking": 3}}, "no topic 'cooking'"), ({"confidence": True}, "True"),
     ({"hours": "many"}, "number of hours"), ({"hours": float("nan")}, "nan"), ({"hours": 10**400}, "hours")],
)  # fmt: skip
def test_what_makes_no_sense_is_a_message(lab, tmp_path, said, words):
    with pytest.raises(LearnerMessage, match=words):
        lab.log(**said)
    assert not (tmp_path / daylog.NAME).exists()


def test_an_unsolved_call_keeps_nothing(lab, tmp_path, capsys):
    lab.log(confidence=...)
    assert not (tmp_path / daylog.NAME).exists()
    assert "lab.log(confidence=" in capsys.readouterr().out  # the form's text, where there is no notebook


@pytest.mark.parametrize("text", ["{", "[]", '{"learner": "bob", "confidence": {"build": 3}}', '{"learner": "ada", "hours": "x"}'])
def test_a_damaged_or_foreign_log_counts_as_an_empty_one(tmp_path, text):
    (tmp_path / daylog.NAME).write_text(text)
    assert daylog.read(tmp_path, "ada") == daylog.DayLog("ada", {})


def test_the_form_keeps_the_same_log(lab, tmp_path, monkeypatch):
    from labkit import daylog_form, show

    shown = []
    monkeypatch.setattr(show, "widget", lambda controls, plain, markup: shown.append(controls))
    Journal(tmp_path, "ada", "03_debuggers").note("open")
    daylog_form.show_form(tmp_path, "ada")
    *boxes, took, hours, foot = shown[0].children
    assert [box.description for box in boxes] == list(daylog.TOPICS)
    boxes[1].value, took.value, hours.value = 8, "03_debuggers", 5.0
    foot.children[0].click()
    assert "Kept" in foot.children[1].value
    assert daylog.read(tmp_path, "ada") == daylog.DayLog("ada", {"build": 8}, "03_debuggers", 5.0)
