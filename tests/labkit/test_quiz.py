"""The quiz as a learner meets it: asked, answered by controls or in words, kept, changed, and never told more than the answer deserves."""

import json
from itertools import permutations

import ipywidgets
import pytest

from labkit.checks.exercises_quiz import knowledge_check
from labkit.evidence import Evidence
from labkit.lab import Lab
from labkit.learner import token_of
from labkit.messages import LearnerMessage
from labkit.quiz import asking, card, overview
from labkit.quiz.bank import RIGHT, WRONG, Question, feedback, questions, read_chosen, shuffled, whole
from labkit.quiz.controls import form
from labkit.quiz.given import understand
from labkit.quiz.sealed import seal, tag, unseal
from labkit.rows import evaluate

OPTIONS = {"ink": "The ink of the text", "box": "The box around it", "air": "The air between, and no `ink`"}


def question(kind, said, options=OPTIONS, number=1, **more):
    """A question of its own, with what is said of each state of an answer."""
    sealed = {tag("q", state): seal("q", state, text) for state, text in said.items()}
    fields = {"unit": "", "hint": "", "lesson": "00_start_here", "heading": "Here"} | more
    return Question("q", number, kind, "What is `it`?", options, sealed=sealed, **fields)


CHOICE = question("choice", {"ink": RIGHT + "Yes, ink.", "box": WRONG + "A box is no text.", "air": WRONG + "Air is nothing."})
ANSWERS = question(
    "answers",
    {"ink out": WRONG + "Ink belongs.", "box out": WRONG + "The box, too.", "air in": WRONG + "Not the air.", "box ink": RIGHT + "Both."},
)
NUMBER = question("number", {"6": RIGHT + "Six.", "3": WRONG + "That counts heads."}, {}, unit="warps", hint="Count the threads.")
ORDER = question("order", {"box<ink": WRONG + "Ink first.", "air<box": WRONG + "Box before air.", "ink box air": RIGHT + "So it goes."})
ALL = (CHOICE, ANSWERS, NUMBER, ORDER)


@pytest.fixture
def lab(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Lab("00_start_here", learner="ada", lane="cpu")


@pytest.fixture
def quiz(monkeypatch):
    """A bank of one question."""

    def of(one):
        monkeypatch.setattr(asking, "questions", lambda: {"q": one})
        return one

    return of


def sitting(lab, one):
    return asking.Sitting(one, lab.token, lab.evidence, lab._keep)


def facts(lab):
    return lab.evidence.record("quiz-q").facts


def letters(one, *keys, token=None):
    shown = shuffled(one, token or token_of("ada"))
    return "".join(card.LETTERS[shown.index(key)] for key in keys)


# What is sealed


def test_a_sealed_text_opens_with_its_answer_only():
    sealed = seal("q", "ink", "because " * 30)
    assert unseal("q", "ink", sealed) == "because " * 30
    assert tag("q", "ink") != tag("q", "box")
    with pytest.raises(UnicodeDecodeError):
        unseal("q", "box", sealed)


def test_the_bank_that_learners_get_has_no_key_and_no_feedback_in_it():
    text = json.dumps([vars(one) for one in questions().values()])
    for word in ("answer", "right", "why", "misconception", "Not right"):
        assert f'"{word}"' not in text
    assert len(questions()) == 20


# What is said of an answer


@pytest.mark.parametrize(
    ("one", "chosen", "right", "why"),
    [
        (CHOICE, ["ink"], True, "Yes, ink."),
        (CHOICE, ["box"], False, "A box is no text."),
        (ANSWERS, ["box", "ink"], True, "Both."),
        (ANSWERS, ["ink", "box"], True, "Both."),
        (ANSWERS, ["ink"], False, "The box, too."),
        (ANSWERS, ["ink", "box", "air"], False, "Not the air."),
        (ANSWERS, ["air"], False, "Ink belongs."),
        (NUMBER, 6, True, "Six."),
        (NUMBER, 3, False, "That counts heads."),
        (NUMBER, 7, False, "Count the threads."),
        (ORDER, ["ink", "box", "air"], True, "So it goes."),
        (ORDER, ["box", "ink", "air"], False, "Ink first."),
        (ORDER, ["ink", "air", "box"], False, "Box before air."),
    ],
)
def test_an_answer_hears_what_it_deserves(one, chosen, right, why):
    heard = feedback(one, chosen)
    assert (heard.right, heard.why) == (right, why)


def test_every_wrong_order_hears_of_a_pair():
    for order in permutations(("ink", "box", "air")):
        assert feedback(ORDER, list(order)).why


def test_a_whole_answer_has_one_name():
    assert whole("answers", ["ink", "box"]) == whole("answers", ["box", "ink"])
    assert whole("order", ["ink", "box"]) != whole("order", ["box", "ink"])


# How it is typed


@pytest.mark.parametrize("one", [CHOICE, ANSWERS, ORDER])
def test_the_order_of_options_is_the_learners_own_and_stays(one):
    assert shuffled(one, token_of("ada")) == shuffled(one, token_of("ada"))
    assert len({tuple(shuffled(one, token_of(f"learner{i}"))) for i in range(40)}) > 2


def test_a_question_of_order_never_starts_in_the_right_order():
    assert all(shuffled(ORDER, token_of(f"learner{i}")) != ["ink", "box", "air"] for i in range(60))


@pytest.mark.parametrize(
    ("one", "given", "chosen"),
    [
        (CHOICE, "The ink", ["ink"]),
        (CHOICE, "the INK of", ["ink"]),
        (CHOICE, ["The box"], ["box"]),
        (CHOICE, "The air between, and no ink", ["air"]),
        (ANSWERS, ["The box", "The ink"], ["ink", "box"]),
        (ANSWERS, {"The air"}, ["air"]),
        (NUMBER, 6, 6),
        (NUMBER, 6.0, 6),
        (NUMBER, " 1,024 ", 1024),
        (ORDER, ["The ink", "The box", "The air"], ["ink", "box", "air"]),
    ],
)
def test_an_answer_in_words_is_understood(one, given, chosen):
    assert understand(one, shuffled(one, token_of("ada")), given) == chosen


def test_letters_are_those_that_this_learner_sees():
    shown = shuffled(CHOICE, token_of("ada"))
    assert understand(CHOICE, shown, letters(CHOICE, "ink")) == ["ink"]
    assert understand(CHOICE, shown, letters(CHOICE, "ink").upper()) == ["ink"]
    assert understand(ANSWERS, shown, letters(ANSWERS, "box", "air")) == ["box", "air"]
    assert understand(ANSWERS, shown, ", ".join(letters(ANSWERS, "box", "air"))) == ["box", "air"]
    assert understand(ORDER, shuffled(ORDER, token_of("ada")), list(letters(ORDER, "air", "box", "ink"))) == ["air", "box", "ink"]


@pytest.mark.parametrize(
    ("one", "given", "words"),
    [
        (CHOICE, "z", "none of the options"),
        (CHOICE, "The", "begins more than one"),
        (CHOICE, ["a", "b"], "does not answer"),
        (CHOICE, "", "none of the options"),
        (CHOICE, None, "none of the options"),
        (ANSWERS, [], "does not answer"),
        (ANSWERS, 5, "none of the options"),
        (NUMBER, "six", "not a whole number"),
        (NUMBER, 6.5, "not a whole number"),
        (NUMBER, True, "not a whole number"),
        (NUMBER, [6], "not a whole number"),
        (NUMBER, 10**15, "does not answer"),
        (ORDER, "ab", "does not answer"),
        (ORDER, "aab", "does not answer"),
    ],
)
def test_what_is_no_answer_gets_a_message_with_the_way_to_answer(one, given, words):
    with pytest.raises(LearnerMessage, match=words) as told:
        understand(one, shuffled(one, token_of("ada")), given)
    assert "lab.quiz(" in told.value.next_step


# What is kept


def test_an_answer_is_kept_by_the_options_keys_and_may_be_changed(lab, quiz, capsys):
    quiz(CHOICE)
    lab.quiz("q", letters(CHOICE, "box"))
    assert facts(lab) == {"chosen": ["box"], "tries": 1}
    assert "✗ Not right. A box is no text." in capsys.readouterr().out
    lab.quiz("q", letters(CHOICE, "box"))
    assert facts(lab)["tries"] == 1  # the same again
    lab.quiz("q", "The ink")
    assert facts(lab) == {"chosen": ["ink"], "tries": 2}
    assert "✓ Right. Yes, ink." in capsys.readouterr().out


def test_a_question_without_an_answer_says_how_to_answer_and_keeps_nothing(lab, quiz, capsys):
    quiz(CHOICE)
    lab.quiz("q")
    said = capsys.readouterr().out
    assert not lab.evidence.has("quiz-q")
    assert all(text in said for text in ("What is `it`?", "a) ", "b) ", "c) ", 'lab.quiz("q", "…")', "beginning of an option"))


def test_a_question_that_is_not_there_is_a_message(lab):
    with pytest.raises(LearnerMessage, match="no question 'nonsense'"):
        lab.quiz("nonsense")


def test_a_damaged_answer_is_made_anew(lab, quiz):
    quiz(CHOICE)
    lab.quiz("q", "The ink")
    (lab.evidence.folder / "quiz-q.json").write_text("{")
    assert sitting(lab, CHOICE).so_far() == ""
    lab.quiz("q", "The box")
    assert facts(lab) == {"chosen": ["box"], "tries": 1}


@pytest.mark.parametrize("found", [None, "ink", ["ink", "box"], ["other"], [["ink"]], {"ink": 1}, 6, True, [], ["ink"] * 1000])
def test_a_recorded_answer_is_an_answer_or_nothing(found):
    assert read_chosen(CHOICE, found) is None


@pytest.mark.parametrize("found", [None, "6", 6.0, True, 10**40, [6]])
def test_a_recorded_number_is_a_whole_number_or_nothing(found):
    assert read_chosen(NUMBER, found) is None


# The form


def parts(box, kind):
    """All controls of a kind in a form."""
    found = [box] if isinstance(box, kind) else []
    return found + [part for child in getattr(box, "children", ()) for part in parts(child, kind)]


def press(box, description):
    next(button for button in parts(box, ipywidgets.Button) if button.description == description).click()


def said_in(box):
    return parts(box, ipywidgets.HTML)[-1].value


def test_a_choice_is_made_with_radio_buttons_of_which_one_is_on(lab):
    box = form(sitting(lab, CHOICE))
    buttons = parts(box, ipywidgets.RadioButtons)
    assert [button.value for button in buttons] == [None] * 3
    buttons[0].value = buttons[0].options[0]
    buttons[2].value = buttons[2].options[0]
    assert [button.value is not None for button in buttons] == [False, False, True]
    press(box, "Record my answer")
    assert facts(lab)["chosen"] == [shuffled(CHOICE, lab.token)[2]]
    assert 'role="alert"' in said_in(box)


def test_several_answers_are_ticked(lab):
    box = form(sitting(lab, ANSWERS))
    for tick in parts(box, ipywidgets.Checkbox):
        tick.value = "air" not in tick.description
    press(box, "Record my answer")
    assert facts(lab)["chosen"] == ["ink", "box"]
    assert "✓ Right" in said_in(box)


def test_a_number_is_typed_and_what_is_none_gets_a_message(lab):
    box = form(sitting(lab, NUMBER))
    (field,) = parts(box, ipywidgets.Text)
    assert field.value == "" and "warps" in field.description
    field.value = "many"
    press(box, "Record my answer")
    assert "not a whole number" in said_in(box) and not lab.evidence.has("quiz-q")
    field.value = "3"
    press(box, "Record my answer")
    assert facts(lab)["chosen"] == 3 and "heads" in said_in(box)


def test_lines_are_moved_up_and_down(lab):
    box = form(sitting(lab, ORDER))
    shown = shuffled(ORDER, lab.token)
    press(box, "Move up")  # the first line is chosen, and stays where it is
    press(box, "Move down")
    press(box, "Move down")
    press(box, "Move down")
    press(box, "Record my answer")
    assert facts(lab)["chosen"] == [*shown[1:], shown[0]]
    assert any("line 3 of 3" in one.value for one in parts(box, ipywidgets.HTML))


@pytest.mark.parametrize(
    ("one", "given"), [(CHOICE, "The box"), (ANSWERS, ["The box"]), (NUMBER, 3), (ORDER, ["The air", "The ink", "The box"])]
)
def test_an_earlier_answer_stands_in_the_form_after_a_restart(lab, one, given):
    sitting(lab, one).take(given)
    chosen = facts(lab)["chosen"]
    box = form(sitting(Lab("00_start_here", learner="ada", lane="cpu"), one))
    assert "Not right" in said_in(box) and 'role="alert"' not in said_in(box)
    press(box, "Record my answer")
    assert facts(lab) == {"chosen": chosen, "tries": 1}


def test_nothing_chosen_is_a_message(lab):
    for one in (CHOICE, ANSWERS):
        box = form(sitting(lab, one))
        press(box, "Record my answer")
        assert "does not answer" in said_in(box)
    assert not lab.evidence.has("quiz-q")


def test_a_full_disk_is_a_message_in_the_form(lab):
    def full(*_):
        raise LearnerMessage("The disk is full while writing evidence.", "Free some space.")

    box = form(asking.Sitting(NUMBER, lab.token, lab.evidence, full))
    parts(box, ipywidgets.Text)[0].value = "6"
    press(box, "Record my answer")
    assert "The disk is full" in said_in(box)


@pytest.mark.parametrize("one", ALL)
def test_markup_in_a_text_is_shown_and_not_obeyed(one):
    shown = shuffled(one, token_of("ada"))
    evil = Question(**(vars(one) | {"text": "<script>x</script> `<b>`"}))
    assert "<script>" not in card.markup(evil, shown)
    assert "&lt;b&gt;</code>" in card.markup(evil, shown)


# What is open


def test_the_table_says_what_is_open_and_never_what_is_right(lab, capsys):
    first, second, *_ = questions().values()
    lab.quiz(first.id, letters(first, next(iter(first.options))))
    capsys.readouterr()
    overview.show_open(lab.evidence)
    said = capsys.readouterr().out
    assert "1 of 20 questions have an answer" in said
    assert f"question {second.number}" in said
    assert "✓" not in said and "✗" not in said


def test_the_visible_check_names_where_an_open_question_stands(lab):
    first, second, *_ = questions().values()
    assert evaluate(knowledge_check, lab.evidence)[0].seen == "nothing recorded yet"
    lab.quiz(first.id, letters(first, next(iter(first.options))))
    rows = evaluate(knowledge_check, lab.evidence)
    assert len(rows) == len(questions())
    assert rows[0].ok and rows[0].seen == "answered"
    assert not rows[1].ok and second.lesson in rows[1].next_step and second.heading in rows[1].next_step


def test_a_record_that_holds_no_answer_is_not_answered(lab):
    for name in questions():
        lab._keep(f"quiz-{name}", {"chosen": {"hostile": True}, "tries": -1})
    rows = evaluate(knowledge_check, lab.evidence)
    assert {row.seen for row in rows} == {"recorded, but not as an answer to it"}


def test_somebody_elses_answers_are_theirs(lab, tmp_path):
    first = next(iter(questions().values()))
    lab.quiz(first.id, letters(first, next(iter(first.options))))
    (found,) = evaluate(knowledge_check, Evidence(tmp_path / "evidence", "bob"))
    assert "recorded by 'ada'" in found.seen
