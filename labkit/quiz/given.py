"""What a learner typed as an answer: letters as shown to them, the beginning of an option's text, or a number."""

from collections.abc import Sequence
from typing import Any

from labkit.messages import LearnerMessage
from labkit.quiz.bank import Chosen, Question, read_chosen
from labkit.quiz.card import LETTERS, how_to_answer

_SHORTEST = 3  # characters of a text's beginning: fewer could be letters


def understand(question: Question, shown: Sequence[str], given: Any) -> Chosen:
    """Return the answer that `given` means, with the options in the order in which they were shown. Raises LearnerMessage."""
    meant: Any = (
        _number(question, given)
        if question.kind == "number"
        else [_option(question, shown, part) for part in _parts(question, shown, given)]
    )
    if isinstance(meant, list) and question.kind == "answers":
        meant = [key for key in question.options if key in meant]  # one way to write a set
    chosen = read_chosen(question, meant)
    if chosen is None:
        raise _message(question, f"{given!r} does not answer question {question.number}")
    return chosen


def _number(question: Question, given: Any) -> int:
    text = str(given).strip().replace(",", "").replace("_", "")
    if isinstance(given, float) and given.is_integer():
        text = str(int(given))
    if isinstance(given, bool) or not text.lstrip("+-").isdecimal():
        raise _message(question, f"{given!r} is not a whole number", f"The answer is counted in {question.unit}.")
    return int(text)


def _parts(question: Question, shown: Sequence[str], given: Any) -> list[Any]:
    """Take a list or set apart, and a word such as "ac" or "a, c" that has only letters of options in it."""
    if isinstance(given, list | tuple | set | frozenset):
        return list(given)
    letters = str(given).casefold().replace(",", " ").split()
    word = "".join(letters)
    if question.kind != "choice" and word and set(word) <= set(LETTERS[: len(shown)]):
        return list(word)
    return [given]


def _option(question: Question, shown: Sequence[str], part: Any) -> str:
    """Return the key of the option that a letter, or the beginning of a text, names."""
    said = plain(str(part))
    if len(said) == 1 and said.casefold() in LETTERS[: len(shown)]:
        return shown[LETTERS.index(said.casefold())]
    texts = {key: plain(question.options[key]) for key in shown}
    exactly = [key for key, text in texts.items() if len(said) >= _SHORTEST and text.startswith(said)]
    found = exactly or [key for key, text in texts.items() if len(said) >= _SHORTEST and text.casefold().startswith(said.casefold())]
    if len(found) != 1:
        happened = f"{part!r} begins more than one option" if found else f"{part!r} is none of the options"
        raise _message(question, f"{happened} of question {question.number}")
    return found[0]


def plain(text: str) -> str:
    """Return a text as it is compared: without backticks and needless spaces."""
    return " ".join(text.replace("`", "").split())


def _message(question: Question, happened: str, hint: str = "") -> LearnerMessage:
    return LearnerMessage(f"{happened}.", f"{hint} {how_to_answer(question)}".strip())
