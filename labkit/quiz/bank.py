"""The questions, and what an answer deserves to hear. No answer key is here: see labkit.quiz.sealed."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import combinations
from typing import Any, Literal

from labkit.learner import pick
from labkit.quiz.sealed import tag, unseal

Kind = Literal["choice", "answers", "number", "order"]
Chosen = list[str] | int  # keys of options, in the learner's order where the kind is "order"; or a whole number
RIGHT, WRONG = "+", "-"  # how a sealed text begins
_SHUFFLE = 2**32
_LARGEST = 10**12  # no question asks for more


@dataclass(frozen=True)
class Question:
    """One question as learners may know it. `number` is its place in the course, `unit` what a number counts.

    `lesson` and `heading` say where it stands. `sealed` holds what is said of each answer that the author thought of; `hint` is said of
    any other.
    """

    id: str
    number: int
    kind: Kind
    text: str
    options: dict[str, str]
    unit: str
    hint: str
    lesson: str
    heading: str
    sealed: dict[str, str]

    @property
    def record_id(self) -> str:
        """The id of the record that holds a learner's answer."""
        return f"quiz-{self.id}"


@dataclass(frozen=True)
class Feedback:
    """What is said of an answer: whether it is right, and why."""

    right: bool
    why: str


@cache
def questions() -> dict[str, Question]:
    """Return all questions of the course by id, in course order."""
    return read_bank(files("labkit").joinpath("quiz/bank.json").read_text(encoding="utf-8"))


def read_bank(text: str) -> dict[str, Question]:
    """Return the questions of a bank as tools/quiz.py writes it."""
    return {fields["id"]: Question(**fields) for fields in json.loads(text)["questions"]}


def feedback(question: Question, chosen: Chosen) -> Feedback:
    """Return what is said of an answer: of the first thing that is wrong with it, else of all of it."""
    for state in STATES[question.kind](chosen, question.options):
        sealed = question.sealed.get(tag(question.id, state))
        if sealed:
            said = unseal(question.id, state, sealed)
            return Feedback(said.startswith(RIGHT), said[1:])
    return Feedback(False, question.hint)


def _choice(chosen: Any, _: Iterable[str]) -> Iterator[str]:
    yield chosen[0]


def _answers(chosen: Any, options: Iterable[str]) -> Iterator[str]:
    """One state per option, as it was treated, and then one for the whole set."""
    yield from (f"{key} {'in' if key in chosen else 'out'}" for key in options)
    yield " ".join(sorted(chosen))


def _number(chosen: Any, _: Iterable[str]) -> Iterator[str]:
    yield str(chosen)


def _order(chosen: Any, _: Iterable[str]) -> Iterator[str]:
    """One state per pair, in the order in which it stands, and then one for the whole order."""
    yield from (f"{first}<{second}" for first, second in combinations(chosen, 2))
    yield " ".join(chosen)


# What can be said of an answer, most particular first. tools/quiz.py seals a text under each of these states that is wrong, and under the right one.
STATES: dict[Kind, Callable[[Any, Iterable[str]], Iterator[str]]] = {
    "choice": _choice, "answers": _answers, "number": _number, "order": _order,
}  # fmt: skip


def whole(kind: Kind, answer: Chosen) -> str:
    """Return the state of an answer as a whole: what the text about the right answer is sealed under."""
    return list(STATES[kind](answer, ()))[-1]


def shuffled(question: Question, token: str) -> list[str]:
    """Return the keys of the options in this learner's order, the same at each look. A question of order never starts in the right one."""
    keys = sorted(question.options, key=lambda key: pick(token, f"quiz {question.id} {key}", _SHUFFLE))
    given_away = question.kind == "order" and feedback(question, keys).right
    return keys[::-1] if given_away else keys


def read_chosen(question: Question, found: object) -> Chosen | None:
    """Return a recorded answer if it is one: known keys, each once, as many as the kind has; or a whole number. Else None."""
    if question.kind == "number":
        return found if type(found) is int and abs(found) < _LARGEST else None
    if not isinstance(found, list) or not all(isinstance(key, str) and key in question.options for key in found):
        return None
    fits = {"choice": len(found) == 1, "answers": len(found) > 0, "order": len(found) == len(question.options)}
    return found if len(set(found)) == len(found) and fits[question.kind] else None
