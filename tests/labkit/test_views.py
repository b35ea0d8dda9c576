"""Tables of the lessons: what is shown of what a learner's script noted, also when it noted something else than it should."""

import pytest

from labkit import views


def spied(steps):
    return {"steps": steps, "prompt_tokens": [4, 19]}


def test_steps_are_shown_with_the_tokens_of_each_request(capsys):
    views.show_steps(spied([{"0-bc": 4, "1-de": 19}, {"0-bc": 1, "1-de": 1}]))
    said = capsys.readouterr().out
    assert "request 0" in said
    assert "23" in said


@pytest.mark.parametrize("steps", [[23, 2], [{"0-bc": 4}, 2], ["0-bc"]])
def test_steps_that_are_no_dictionaries_are_said_to_be_none(steps, capsys):
    views.show_steps(spied(steps))
    assert "append dict(output.num_scheduled_tokens)" in capsys.readouterr().out


def test_an_empty_gap_is_said_to_be_one(capsys):
    views.show_steps(spied([]))
    assert "fill the gap in spy.py" in capsys.readouterr().out
