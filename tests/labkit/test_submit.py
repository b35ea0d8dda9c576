"""What is handed in is an allow-list, and what is missing is said."""

import json

import pytest
from typer.testing import CliRunner

from labkit import cli
from labkit.lab import Lab
from labkit.messages import LearnerMessage
from labkit.submit import submit


@pytest.fixture
def notebooks(tmp_path):
    """A learner's folder with a few things that must not travel."""
    folder = tmp_path / "notebooks"
    (folder / "evidence" / "files").mkdir(parents=True)
    (folder / "work").mkdir()
    (folder / "00_start_here.ipynb").write_text("{}")
    (folder / "private.ipynb").write_text("{}")
    (folder / "secrets.txt").write_text("password")
    (folder / "work" / "big.bin").write_text("x")
    (folder / "evidence" / "start-not-ok.json").write_text("{}")
    (folder / "evidence" / ".draft.json").write_text("{}")
    (folder / "evidence" / "files" / "a.so").write_text("x")
    (folder / "evidence" / "link.json").symlink_to("/etc/passwd")
    (folder / "learner.json").write_text('{"learner": "ada"}')
    return folder


def test_only_notebooks_of_the_course_and_evidence_travel(notebooks, tmp_path):
    handed = submit(notebooks, tmp_path / "submitted")
    assert handed.folder == tmp_path / "submitted" / "ada" / "day2"
    names = sorted(str(p.relative_to(handed.folder)) for p in handed.folder.rglob("*") if p.is_file())
    assert names == ["00_start_here.ipynb", "evidence/files/a.so", "evidence/start-not-ok.json"]


def test_what_is_missing_is_named(notebooks, tmp_path):
    missing = submit(notebooks, tmp_path / "submitted").missing
    assert "01_environment.ipynb: the notebook" in missing
    assert "environment-last_flag_wins: not started" in missing
    assert "start-read_the_doctor: not started" in missing


def test_what_is_begun_and_not_in_order_is_named(notebooks, tmp_path, capsys):
    lab = Lab("00_start_here", learner="ada", lane="cpu", folder=notebooks)
    lab.answer("start-grading-quiz", 5)
    assert "start-what_is_graded: begun, but the check is not content yet" in submit(notebooks, tmp_path / "submitted").missing


def test_handing_in_again_replaces_and_leaves_nothing_behind(notebooks, tmp_path):
    submit(notebooks, tmp_path / "submitted")
    (notebooks / "evidence" / "files" / "a.so").unlink()
    handed = submit(notebooks, tmp_path / "submitted")
    assert not (handed.folder / "evidence" / "files").exists()
    assert [p.name for p in handed.folder.parent.iterdir()] == ["day2"]


def test_a_nameless_learner_and_an_empty_folder_get_a_next_step(notebooks, tmp_path):
    (notebooks / "learner.json").unlink()
    with pytest.raises(LearnerMessage, match="--learner"):
        submit(notebooks, tmp_path / "submitted")
    with pytest.raises(LearnerMessage, match="nothing to hand in"):
        submit(tmp_path, tmp_path / "submitted", "ada")
    with pytest.raises(LearnerMessage, match="LEARNER|name"):
        submit(notebooks, tmp_path / "submitted", "../../escape")


@pytest.mark.parametrize(("text", "named"), [("YOUR ANSWER HERE", True), ("1. I measured …", False), (None, False)])
def test_a_text_that_a_person_grades_is_missing_while_nothing_is_written(notebooks, tmp_path, monkeypatch, text, named):
    reflection = {"grade_id": "exercises-reflection", "title": "Look back", "points": 2, "manual": True}
    monkeypatch.setattr("labkit.submit.course", lambda: {"lessons": [{"name": "00_start_here", "exercises": [reflection]}]})
    monkeypatch.setattr("labkit.submit.survey", lambda evidence: [])
    cell = {"cell_type": "markdown", "metadata": {"nbgrader": {"grade_id": "exercises-reflection"}}, "source": [text or ""]}
    (notebooks / "00_start_here.ipynb").write_text(json.dumps({"cells": [cell]}) if text else "[")
    missing = submit(notebooks, tmp_path / "submitted").missing
    assert [line.startswith("exercises-reflection: nothing is written") for line in missing] == [True] * named


def command(*arguments):
    return CliRunner().invoke(cli.app, list(arguments))


def test_the_command_line_submits_and_checks(notebooks, tmp_path):
    done = command("submit", "--notebooks", str(notebooks), "--to", str(tmp_path / "s"))
    assert (done.exit_code, "Missing, or not right yet" in done.stdout) == (0, True)
    checked = command("check", "start-what_is_graded", "--notebooks", str(notebooks))
    assert (checked.exit_code, "nothing recorded yet" in checked.stdout) == (1, True)
    assert command("progress", "--notebooks", str(notebooks)).exit_code == 0


def test_an_unknown_exercise_is_answered_with_those_there_are(notebooks, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["labkit", "check", "no-such", "--notebooks", str(notebooks)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert "start-read_the_doctor" in capsys.readouterr().err


def test_the_doctor_runs_on_the_command_line():
    done = command("doctor", "--lane", "cpu")
    assert done.exit_code in (0, 1)
    assert "attach" in done.stdout
