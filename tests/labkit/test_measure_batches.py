"""What the lesson on batch sizes shows: settings, tables and the plot, from any sweep that the script may leave."""

import json

import pytest

from labkit.checks.batch_sweep import knee, points
from labkit.lab import Lab
from labkit.measure import batches
from labkit.measure.batches_plot import draw_sweep
from labkit.messages import LearnerMessage
from tests.lessons.test_exercises_batches import sweep

CONFIG = {
    "model_type": "llama", "hidden_size": 576, "intermediate_size": 1536, "num_attention_heads": 9, "num_key_value_heads": 3,
    "num_hidden_layers": 30, "vocab_size": 49152, "tie_word_embeddings": True,
}  # fmt: skip


@pytest.fixture
def lab(tmp_path):
    made = Lab("06_exercises", learner="reference", lane="cpu", folder=tmp_path)
    made.record("exercises-sweep", facts=sweep())
    return made


def test_the_settings_know_how_large_the_model_is(lab, tmp_path, capsys):
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    assert json.loads(batches.settings(lab, tmp_path))["parameters"] == 134_515_008
    assert "at most 16 requests" in capsys.readouterr().out


def test_the_sweep_is_shown_without_its_knee_which_is_to_be_found(lab, capsys):
    found = batches.show_sweep(lab)
    shown = capsys.readouterr().out
    assert knee(found) == 8
    assert "where ideal linear scaling would give" in shown
    assert "the largest size that keeps" not in shown
    assert "H100" not in shown
    assert "something else uses this machine" not in shown
    assert "preempts" not in shown
    assert "59.3%" in shown, "70 % decides, so whole percents would hide on which side a size is"


def test_after_the_exercise_the_sweep_is_shown_with_its_knee_and_the_recorded_one(lab, capsys):
    batches.show_recorded(lab)
    shown = capsys.readouterr().out
    assert "8 is the largest size that keeps 70% of it" in shown
    assert "H100's recorded curve" in shown
    assert "25,474" in shown


def test_a_disturbed_sweep_is_called_one(lab, capsys):
    facts = sweep()
    for made in facts["calls"]:
        if made["size"] == 1:
            made["seconds"] *= 3
    facts["samples"]["1"] = [[seconds * 3, rate / 3] for seconds, rate in facts["samples"]["1"]]
    facts["samples"]["2"][0] = [9.0, 1.0]
    facts["samples"]["2"][1] = [8.0, 1.0]
    lab.record("exercises-sweep", facts=facts)
    batches.show_sweep(lab)
    shown = capsys.readouterr().out
    assert "faster than linear" in shown
    assert "The repeats of size 2 lie far apart" in shown
    assert "or its own pace varies" in shown, "an H100 with nobody else on it showed such repeats"


def test_requests_that_were_preempted_are_told_of(lab, capsys):
    facts = sweep()
    for call in facts["calls"]:
        if call["size"] == 16:
            call["stamps"] = [[*early, first, last + (last - first) * (n >= 13)] for n, (*early, first, last) in enumerate(call["stamps"])]
    lab.record("exercises-sweep", facts=facts)
    batches.show_sweep(lab)
    shown = capsys.readouterr().out
    assert "Of 16 requests at once 3 took more than 1.2 times as long" in shown
    assert shown.count("preempts") == 1, "in no other size; at 32 requests wait as they should"


def test_the_limits_show_both_floors_and_who_waited(lab, capsys):
    batches.show_limits(lab)
    shown = capsys.readouterr().out
    assert "16 GB/s" in shown
    lab.record("exercises-sweep", facts=sweep() | {"machine": {"bytes_per_s": 2.712e12, "operations_per_s": 8.79258e14}})
    batches.show_limits(lab)
    title = " ".join(capsys.readouterr().out.split())
    assert "2.71 TB/s of weights read, 879 trillion operations/s" in title
    assert "16" in shown


def test_a_sweep_that_stopped_after_one_token_is_still_shown(lab, capsys):
    facts = sweep()
    for made in facts["calls"]:
        made["output_tokens"] = [1] * made["size"]
    lab.record("exercises-sweep", facts=facts)
    batches.show_sweep(lab)
    batches.show_limits(lab)
    assert "Your sweep" in capsys.readouterr().out


def test_without_a_sweep_the_lesson_says_what_to_run(tmp_path):
    empty = Lab("06_exercises", learner="reference", lane="cpu", folder=tmp_path)
    with pytest.raises(LearnerMessage, match="sweep"):
        batches.show_sweep(empty)


def test_the_recorded_rates_fit_their_seconds():
    data = batches.recorded()
    for size, seconds, rate in data["points"]:
        assert rate == pytest.approx(size * data["output_tokens"] / seconds, rel=0.02)


def test_the_older_scripts_figures_are_shown_beside_what_they_leave_out(capsys):
    seen = [
        {"batch": 1, "seconds": 2.2, "engine_s": 3.8, "tokens": [20]},
        {"batch": 8, "seconds": 0.86, "engine_s": 2.1, "tokens": [20] * 7 + [4]},
    ]
    batches.show_flawed(seen, 20.0)
    shown = capsys.readouterr().out
    assert "20.5 times the requests per second" in shown
    assert "4 to 20" in shown


@pytest.mark.parametrize("other", [None, batches.recorded()])
@pytest.mark.parametrize("answered", [False, True])
def test_the_plot_has_an_ideal_line_and_names_the_knee_once_it_was_found(lab, other, answered):
    read, _ = batches.points_of(lab)
    figure = draw_sweep(points(read), read.wanted(), other, answered=answered)
    labels = figure.axes[0].get_legend_handles_labels()[1]
    assert "ideal: linear" in labels
    assert any("knee" in text for text in labels) == answered
    assert ("H100, recorded" in labels) == (other is not None)
