"""Rows of a visible check: what was written is shown so that its kind can be told."""

import pytest

from labkit.evidence import Evidence
from labkit.rows import evaluate, row


@pytest.mark.parametrize(
    ("seen", "expected", "shown"),
    [
        ("350", "a whole number", "'350'"),
        ("{'0-bc': 1}", "a dictionary: request id -> tokens", "\"{'0-bc': 1}\""),
        ("locals", "a set of function, arguments, locals", "'locals'"),
        (["30", 10], "three whole numbers", "['30', 10]"),
        ({"running": "2"}, "two whole numbers", "{'running': '2'}"),
    ],
)
def test_text_in_place_of_a_number_is_shown_with_its_quotes(seen, expected, shown):
    made = row("N", seen, expected, "Read it.", ok=False)
    assert (made.seen, made.next_step) == (shown, f"Without quotes: {expected}. Read it.")


@pytest.mark.parametrize(
    ("seen", "expected", "ok"),
    [
        (3.5, "a whole number", False),
        ("gdb", "a name", False),
        (["cat"], "a set of words", False),
        (None, "a number", False),
        ("3", "a number", True),
    ],
)
def test_what_is_no_text_in_a_numbers_place_stays_as_it_is(seen, expected, ok):
    made = row("N", seen, expected, "Read it.", ok=ok)
    assert (made.seen, made.next_step) == (str(seen), "" if ok else "Read it.")


@pytest.mark.parametrize(
    ("record_id", "words"),
    [("profile-gap-answer", "Fill in the cell above that ends in lab.answer(…)"), ("build-wheel", "build-wheel.json: not there yet")],
)
def test_what_is_not_recorded_yet_says_what_to_run(tmp_path, record_id, words):
    (only,) = evaluate(lambda evidence: [row("id", evidence.record(record_id).id, record_id, "")], Evidence(tmp_path))
    assert (only.ok, only.seen) == (False, "nothing recorded yet")
    assert words in only.next_step
