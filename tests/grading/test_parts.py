"""The small parts: wording, verdicts, submissions, catalogue, the command line, and what the grader may import."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tinycourse
from tinycourse import FULL, Learner
from typer.testing import CliRunner

from grading import __main__ as command
from grading.catalogue import CATALOGUE, BadCatalogue, load_catalogue
from grading.registry import load_checks
from grading.submission import MAX_SOURCE_CHARS, Submission, learner_of, solution_cells
from grading.verdict import Verdict, failed, from_rows
from grading.wording import as_text, plain
from labkit.evidence import BadEvidence, Evidence, Missing
from labkit.rows import row

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("\x1b[31mred\x1b[0m", "red"), ("a\nb\t c", "a b c"), ("\x1b]8;;http://x\x07link\x1b]8;;\x07", "link"),
        ("a\u202eb\u200bc\x00d", "abcd"), ("x" * 2000, "x" * 799 + "…"), ("\ud800", ""), ("naïve…", "naïve…"),
    ],
)  # fmt: skip
def test_plain(text: str, clean: str) -> None:
    assert plain(text) == clean


def test_a_verdict_as_text() -> None:
    text = as_text(failed("it was 3", "4", "Try\x1b[2J again."), 2.0)
    assert text == "FAILED: 0 of 2 points\n  seen      it was 3\n  expected  4\n  next      Try again.\n"


def test_rows_make_a_verdict() -> None:
    good, bad = row("a", 1, 1, "?"), row("b", 2, 3, "Why 2?")
    assert from_rows([good], 2.0).points == 2.0
    assert from_rows([good, bad], 2.0) == Verdict(state="failed", points=0, seen="b: 2", expected="3", next_step="Why 2?")
    assert from_rows([], 2.0).state == "not judged"  # a check that looks at nothing must not give points


def test_texts_that_are_too_long_are_cut() -> None:
    assert len(failed("x" * 10_000, "", "").seen) == 2000


def notebook(tmp_path: Path, *cells: Any) -> Path:
    (tmp_path / "n.ipynb").write_text(json.dumps({"cells": list(cells)}))
    return tmp_path


def cell(grade_id: Any, source: Any) -> dict[str, Any]:
    return {"cell_type": "code", "metadata": {"nbgrader": {"grade_id": grade_id}}, "source": source}


def test_the_first_cell_of_an_id_with_a_source_counts(tmp_path: Path) -> None:
    folder = notebook(tmp_path, cell("a", 5), cell("a", ["x", 3]), cell("a", ["x = ", "1"]), cell("a", "x = 2"), cell(["a"], "y"), 3, None)
    assert Submission(folder, "ann").solution("n", "a") == "x = 1"
    assert [found["source"] for found in solution_cells(folder, "n")] == ["x = 1", "x = 2"]
    with pytest.raises(Missing):
        Submission(folder, "ann").solution("n", "b")


def test_a_source_can_always_be_written_again(tmp_path: Path) -> None:
    assert Submission(notebook(tmp_path, cell("a", "'\ud800'")), "ann").solution("n", "a") == "'?'"


def test_a_long_source_is_bad_evidence(tmp_path: Path) -> None:
    with pytest.raises(BadEvidence, match="characters"):
        Submission(notebook(tmp_path, cell("a", "x" * (MAX_SOURCE_CHARS + 1))), "ann").solution("n", "a")


def test_a_folder_in_the_place_of_a_record_is_bad_evidence(tmp_path: Path) -> None:
    (tmp_path / "r.json").mkdir()
    with pytest.raises(BadEvidence):
        Evidence(tmp_path, "ann").record("r")


def test_the_learner_is_found_in_the_evidence(tmp_path: Path) -> None:
    learner = Learner(tmp_path, "ann")
    learner.folder.mkdir(parents=True)
    assert learner_of(learner.folder) == ""
    learner.put("a.json", b"{").record("b")
    assert learner_of(learner.folder) == "ann"


def test_the_catalogue_is_read_strictly(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.json"
    path.write_text(json.dumps(tinycourse.CATALOGUE))
    assert [(n, e.grade_id) for n, e in load_catalogue(path).exercises()] == [("01_demo", grade_id) for grade_id in tinycourse.POINTS]
    for bad in ("{", "[]", '{"assignment": "x", "notebooks": {"n": [{"grade_id": "../x", "points": 1}]}}'):
        path.write_text(bad)
        with pytest.raises(BadCatalogue):
            load_catalogue(path)
    with pytest.raises(BadCatalogue):
        load_catalogue(tmp_path / "none.json")


@pytest.mark.skipif(not CATALOGUE.exists(), reason="grading/catalogue.json is not built yet")
def test_every_exercise_of_the_catalogue_has_its_check() -> None:
    assert {exercise.grade_id for _, exercise in load_catalogue().exercises() if not exercise.manual} <= set(load_checks())


def check(tmp_path: Path, submission: Path, *options: str) -> Any:
    catalogue = tmp_path / "catalogue.json"
    catalogue.write_text(json.dumps(tinycourse.CATALOGUE))
    words = ["check", str(submission), "--catalogue", str(catalogue), "--checks", "course_checks", "--path", str(tinycourse.HERE), *options]
    return CliRunner().invoke(command.app, words)


def test_the_command_gives_the_verdicts_without_nbgrader(tmp_path: Path) -> None:
    (tmp_path / "release" / tinycourse.ASSIGNMENT).mkdir(parents=True)
    (tmp_path / "release" / tinycourse.ASSIGNMENT / "01_demo.ipynb").write_text(json.dumps(tinycourse.source_notebook()))
    learner = Learner(tmp_path, "ann").good()
    done = check(tmp_path, learner.folder, "--json")
    assert done.exit_code == 0, done.output
    assert (json.loads(done.stdout)["learner"], json.loads(done.stdout)["points"]) == ("ann", FULL)
    moved = learner.folder.rename(tmp_path / "somewhere")
    assert json.loads(check(tmp_path, moved, "--json").stdout)["points"] == FULL  # the evidence says whose it is
    assert json.loads(check(tmp_path, moved, "--json", "--learner", "bob").stdout)["points"] == 3.0
    assert "6 of 6 points" in check(tmp_path, moved).stdout


def test_the_command_says_that_a_human_is_needed(tmp_path: Path) -> None:
    learner = Learner(tmp_path, "ann")
    learner.folder.mkdir(parents=True)
    learner.record("demo-fault", mode="crash")
    assert check(tmp_path, learner.folder, "--json").exit_code == 1


def test_the_command_refuses_paths_that_are_no_submission(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "none", tmp_path / "empty", Path(__file__)):
        done = check(tmp_path, path)
        assert done.exit_code == 2 and "Is the path right?" in done.stderr


def test_the_command_refuses_a_missing_catalogue(tmp_path: Path) -> None:
    (tmp_path / "evidence").mkdir()
    done = CliRunner().invoke(command.app, ["check", str(tmp_path), "--catalogue", str(tmp_path / "none.json")])
    assert done.exit_code == 2 and "none.json" in done.stderr


def test_the_grader_needs_neither_torch_nor_vllm() -> None:
    modules = [f"grading.{path.stem}" for path in sorted((REPOSITORY / "grading").glob("*.py")) if path.stem != "__main__"]
    checks = [f"grading.checks.{path.stem}" for path in sorted((REPOSITORY / "grading" / "checks").glob("*.py")) if path.stem != "__init__"]
    script = (
        f"import sys, importlib; sys.path.insert(0, {str(REPOSITORY)!r})\n"
        f"for name in {[*modules, *checks]!r}: importlib.import_module(name)\n"
        "print([name for name in ('torch', 'vllm', 'transformers', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done


def test_what_runs_checks_does_not_load_nbgrader() -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(REPOSITORY)!r})\nimport grading.judge_server, grading.award\n"
        "print([name for name in ('nbgrader', 'nbformat', 'nbconvert', 'rich', 'typer') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done
