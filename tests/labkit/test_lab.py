"""The laboratory: who learns, what is kept of an answer, and that nothing is lost or left half done."""

import re

import pytest

from labkit.lab import Lab
from labkit.learner import BadLearnerName, learner_name, pick, symbol, token_of, word
from labkit.messages import LearnerMessage


@pytest.fixture
def lab(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Lab("00_start_here", learner="ada", lane="cpu")


def test_the_name_is_remembered_by_the_next_lesson(lab):
    assert Lab("01_environment").learner == "ada"


@pytest.mark.parametrize("name", ["a/b", "../x", ".hidden", "a b", "x" * 65, "ä"])
def test_a_name_that_cannot_be_a_folder_is_refused_with_advice(tmp_path, name):
    with pytest.raises(BadLearnerName):
        learner_name(name)
    with pytest.raises(LearnerMessage, match="LEARNER ="):
        Lab("00_start_here", learner=name, lane="cpu", folder=tmp_path)


def test_two_learners_get_different_parameters():
    ada, bob = token_of("ada"), token_of("bob")
    assert symbol(ada) != symbol(bob)
    assert ada == token_of("ada")
    assert 0 <= pick(ada, "x", 10) < 10
    assert any(word(ada, p) != word(bob, p) for p in ("a", "b", "c", "d"))


def test_an_unsolved_exercise_leaves_no_record_and_says_so(lab, capsys):
    lab.answer("start-not-ok", {"missing": ..., "wrong": []})
    assert not lab.evidence.has("start-not-ok")
    assert "Nothing to record yet" in capsys.readouterr().out


def test_an_answer_may_be_a_set_and_a_new_one_replaces_it(lab):
    lab.answer("start-quiz", {"b", "a"})
    lab.answer("start-quiz", {"c"})
    assert lab.evidence.record("start-quiz").facts["answer"] == ["c"]


def test_an_answer_that_cannot_be_kept_is_a_message(lab):
    with pytest.raises(LearnerMessage, match="object"):
        lab.answer("start-quiz", object())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_a_message(lab, value):
    with pytest.raises(LearnerMessage):
        lab.answer("start-quiz", value)


def test_the_first_prediction_stands(lab, capsys):
    lab.predict("start-guess", "-O0")
    lab.predict("start-guess", "-O2")
    assert lab.evidence.record("start-guess").facts["prediction"] == "-O0"
    assert "-O0" in capsys.readouterr().out.splitlines()[-1]


def test_a_damaged_prediction_is_simply_made_again(lab):
    lab.predict("start-guess", 1)
    (lab.evidence.folder / "start-guess.json").write_text("{")
    lab.predict("start-guess", 2)
    assert lab.evidence.record("start-guess").facts["prediction"] == 2


def test_a_stale_result_is_never_taken_for_a_new_one(lab):
    (lab.scratch() / "out.json").write_text('{"old": true}')
    with pytest.raises(LearnerMessage, match=r"`false …`: exit code 1 and left no out\.json"):
        lab.run_for_json(["false"], produces="out.json")


def test_a_result_is_read(lab):
    run, result = lab.run_for_json(["sh", "-c", "echo '{\"n\": 1}' > out.json"], produces="out.json")
    assert (run.exit_code, result) == (0, {"n": 1})


def test_vllm_keeps_its_files_in_the_course_cache(lab, monkeypatch):
    import os

    assert os.environ["VLLM_CACHE_ROOT"].endswith("/vllm")
    assert "VLLM_CPU_KVCACHE_SPACE" in os.environ


def test_check_shows_rows_never_a_traceback(lab, capsys):
    lab.check("start-what_is_graded")
    assert "nothing recorded yet" in capsys.readouterr().out
    (lab.evidence.folder).mkdir(exist_ok=True)
    (lab.evidence.folder / "start-grading-quiz.json").write_text("]")
    lab.check("start-what_is_graded")
    assert "not valid JSON" in capsys.readouterr().out


def test_a_command_that_later_cells_need_stops_with_its_last_line(lab):
    with pytest.raises(LearnerMessage, match=r"exit code 3\. It said last:\n +no compiler\n"):
        lab.run(["sh", "-c", "echo no compiler; exit 3"], must_succeed=True)


def test_evidence_of_another_learner_is_not_taken_for_ones_own(lab, tmp_path, capsys):
    lab.answer("start-grading-quiz", {"b"})
    other = Lab("00_start_here", learner="bob", lane="cpu", folder=tmp_path)
    assert "made as 'ada', not as 'bob'" in capsys.readouterr().out
    other.check("start-what_is_graded")
    assert "recorded by 'ada'" in capsys.readouterr().out


def test_a_prediction_must_be_made_and_is_set_beside_the_outcome(lab, capsys):
    lab.predict("start-guess", {"on": ..., "off": 1})
    lab.compare("start-guess", 8)
    lab.predict("start-guess", 16)
    lab.compare("start-guess", 8)
    lab.compare("start-guess", ...)
    out = capsys.readouterr().out
    assert "Commit yourself first" in out
    assert "It was 8." in out
    assert out.strip().endswith("You predicted 16; it was 8.")


def test_what_was_predicted_and_what_came_are_told_in_words(lab, capsys):
    lab.predict("start-options", {"c", "a"})
    lab.compare("start-options", set())
    lab.compare("start-stops", {"first": "host", "slot_idx": -1})
    out = capsys.readouterr().out
    assert "You predicted a, c; it was none." in out
    assert "It was first: host, slot_idx: -1." in out


def test_an_answer_knows_the_run_it_was_read_from(lab):
    from labkit.rows import still_about

    lab.record("lesson-run", facts={"n": 1})
    lab.answer("lesson-answer", 1, about="lesson-run")
    assert still_about(lab.evidence, "lesson-answer", "lesson-run").ok
    lab.record("lesson-run", facts={"n": 2})
    assert "run your answer's cell again" in still_about(lab.evidence, "lesson-answer", "lesson-run").next_step


def test_validate_does_not_call_an_unsolved_exercise_a_success(lab, monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "validate")
    with pytest.raises(LearnerMessage, match="not right yet"):
        lab.check("start-what_is_graded")


def test_an_exercise_that_does_not_exist_is_a_message(lab):
    with pytest.raises(LearnerMessage, match="no exercise 'typo'"):
        lab.check("typo")


def test_a_section_goes_on_from_the_record_after_a_restart(lab):
    with pytest.raises(LearnerMessage, match="not there yet.*\n→ Run the cell above"):
        lab.facts("lesson-run")
    lab.record("lesson-run", facts={"n": 1})
    assert lab.facts("lesson-run") == {"n": 1}


def test_a_function_that_raises_is_one_line_with_its_place_and_is_recorded(lab, capsys):
    def heads(config):
        return config["heads"] * 2

    lab.answer("lesson-examples", lab.results_of(heads, [({"heads": 4},), ({},)]))
    out = capsys.readouterr().out
    assert "Example 2: heads raised KeyError: 'heads'\n→ In its line" in out
    assert '`return config["heads"] * 2`. Mend it' in out
    assert "Traceback" not in out
    assert lab.evidence.record("lesson-examples").facts["answer"] == [8, "raised KeyError: 'heads'"]


@pytest.mark.parametrize(("result", "kept"), [(None, None), (..., "returned Ellipsis"), (float("nan"), "returned nan")])
def test_what_a_function_returns_now_replaces_what_it_returned_before(lab, result, kept):
    lab.answer("lesson-examples", lab.results_of(lambda: 8, [()]))
    lab.answer("lesson-examples", lab.results_of(lambda: result, [()]))
    assert lab.evidence.record("lesson-examples").facts["answer"] == [kept]


def test_a_function_that_is_still_to_be_written_leaves_no_record(lab, capsys):
    lab.answer("lesson-examples", lab.results_of(lambda: None, [(), ()]))
    assert not lab.evidence.has("lesson-examples")
    assert "is a `return` missing?" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("seen", "words"),
    [("raised KeyError: 'x'", "stopped there"), (None, "`return` missing"), ("returned nan", "cannot be kept"), (3, "Count")],
)
def test_the_row_of_an_example_says_why_there_is_no_value(seen, words):
    from labkit.rows import example_row

    assert words in example_row("example 1", seen, 4, "Count again.").next_step


def test_an_answer_that_is_emptied_again_does_not_hide_that_the_earlier_one_counts(lab, capsys):
    lab.answer("start-not-ok", 3)
    lab.answer("start-not-ok", ...)
    assert re.search(r"Nothing new recorded for start-not-ok.*What you recorded at \d\d:\d\d still counts", capsys.readouterr().out)
    assert lab.evidence.record("start-not-ok").facts["answer"] == 3
