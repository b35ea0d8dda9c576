"""The quiz from lessons/quiz.yaml: cells for the lessons, a bank for learners without the key, the key for the grader."""

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from labkit.quiz.bank import RIGHT, WRONG, Chosen, Kind, whole
from labkit.quiz.card import LETTERS
from labkit.quiz.given import plain
from labkit.quiz.sealed import seal, tag
from labkit.records import Strict

QUIZ = Path(__file__).resolve().parents[1] / "lessons" / "quiz.yaml"
COMMENT_WIDTH = 110  # characters
LIST_WIDTH = 90  # a list of lines to be ordered does not wrap
WORDS = 3  # of an option's text, at least, in a solution
Key = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Line = Annotated[str, Field(min_length=3, max_length=400)]


class BadLesson(Exception):
    """A lesson, or the quiz, breaks a rule. The text names file, place, and what to write instead."""


class Authored(Strict):
    """A question as its author wrote it. `why` says something of each answer: see docs/authoring.md."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{2,40}$")]
    kind: Kind
    question: Line
    options: dict[Key, Line] = Field(default={})
    answer: Key | int | list[Key]
    unit: str = ""
    hint: str = ""
    why: dict[str, Annotated[str, Field(min_length=20, max_length=600)]]

    @property
    def chosen(self) -> Chosen:
        """The right answer as a learner's would be recorded."""
        return [self.answer] if isinstance(self.answer, str) else self.answer

    @model_validator(mode="after")
    def _fits(self) -> Self:
        problem = next(_problems(self), None)
        if problem:
            raise ValueError(problem)
        return self

    def states(self) -> dict[str, str]:
        """Return what is said, by the state of the answer that it is said of; the right one's text begins with RIGHT."""
        wrong = {_state(self, name): WRONG + " ".join(text.split()) for name, text in self.why.items() if name != "right"}
        return wrong | {whole(self.kind, self.chosen): RIGHT + " ".join(self.why["right"].split())}


def _state(question: Authored, name: str) -> str:
    """The state that an entry of `why` is about. "answers": a right option is wrong when left out; "order": `a < b` is wrong as b before a."""
    if question.kind == "answers":
        return f"{name} {'out' if name in _keys(question) else 'in'}"
    if question.kind == "order":
        first, _, second = name.partition(" < ")
        return f"{second}<{first}"
    return name


def _keys(question: Authored) -> list[str]:
    return question.chosen if isinstance(question.chosen, list) else []


def _problems(question: Authored) -> Iterator[str]:
    """What is wrong with a question, in words for its author."""
    kind, keys, options = question.kind, _keys(question), question.options
    if kind == "number":
        if not isinstance(question.answer, int) or options or not question.unit or not question.hint:
            yield "a number needs a whole number as `answer`, a `unit`, a `hint` for numbers that nobody thought of, and no options"
    elif not 3 <= len(options) <= len(LETTERS) or not keys or not set(keys) <= set(options) or question.unit or question.hint:
        yield f"{kind} needs 3 to {len(LETTERS)} options, an `answer` that names them, and neither `unit` nor `hint`"
    elif kind == "order" and (sorted(keys) != sorted(options) or max(map(len, options.values())) > LIST_WIDTH):
        yield f"order needs all options in `answer`, each of at most {LIST_WIDTH} characters"
    if len({plain(text)[:40] for text in options.values()}) < len(options):
        yield "two options begin alike: nobody could answer with the beginning of the text"
    if set(question.why) != (expected := _expected(question)) and (kind != "number" or not expected <= set(question.why)):
        yield f"`why` needs exactly {sorted(expected)}"


def _expected(question: Authored) -> set[str]:
    """The entries that `why` must have; of a number's wrong answers there may be as many as an author knows."""
    keys = _keys(question)
    by_kind: dict[Kind, set[str]] = {
        "choice": set(question.options) - set(keys),
        "answers": set(question.options),
        "order": {f"{first} < {second}" for first, second in pairwise(keys)},
        "number": set(),
    }
    return by_kind[question.kind] | {"right"}


def read_quiz(path: Path = QUIZ) -> dict[str, Authored]:
    """Return the questions of a file by id. Raises BadLesson."""
    found: dict[str, Authored] = {}
    for number, fields in enumerate(yaml.safe_load(path.read_text()) or []):
        question = _authored(path, number, fields)
        if question.id in found:
            raise BadLesson(f"{path.name}: {question.id}: there are two questions of this id.")
        found[question.id] = question
    return found


def _authored(path: Path, number: int, fields: Any) -> Authored:
    if not isinstance(fields, dict) or not isinstance(fields.get("why"), dict):
        raise BadLesson(f"{path.name}: entry {number + 1}: not a question. It needs id, kind, question, answer and why.")
    why = {str(name): text for name, text in fields["why"].items()}  # a number is a key of its own in YAML
    try:
        return Authored.model_validate(fields | {"why": why})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, (fields.get("id", number + 1), *first["loc"])))
        raise BadLesson(f"{path.name}: {place}: {first['msg']}.") from None


def cell_source(question: Authored) -> str:
    """Return the source of a question's cell: the question as a comment, the call, and between the marks the answer."""
    comment = textwrap.wrap(question.question, COMMENT_WIDTH, break_long_words=False, break_on_hyphens=False)
    call = f'lab.quiz("{question.id}"'
    lines = [
        *(f"# {line}" for line in comment),
        f"{call})",
        "### BEGIN SOLUTION",
        f"{call}, answer={json.dumps(_solution(question), ensure_ascii=False)})",
        "### END SOLUTION",
    ]
    return "\n".join(lines)


def _solution(question: Authored) -> str | int | list[str]:
    """The answer by the beginnings of the options' texts, or the number."""
    if isinstance(question.answer, int):
        return question.answer
    said = [_beginning(question.options[key], question.options.values()) for key in _keys(question)]
    return said[0] if question.kind == "choice" else said


def _beginning(text: str, others: Iterable[str]) -> str:
    """The first words of a text, as few as no other one begins with."""
    words = text.replace("`", "").split()
    for count in range(WORDS, len(words)):
        begun = " ".join(words[:count])
        if sum(plain(other).startswith(plain(begun)) for other in others) == 1:
            return begun
    return " ".join(words)


def bank(quiz: Mapping[str, Authored], places: Iterable[tuple[str, str, str]]) -> dict[str, object]:
    """Return the bank that learners get. `places`: (question, lesson, heading) in course order. Raises BadLesson."""
    asked = list(places)
    for name in {*quiz, *(name for name, _, _ in asked)}:
        times = sum(name == other for other, _, _ in asked)
        if times != 1:
            raise BadLesson(
                f"quiz.yaml: {name}: it stands {times} times in the lessons. Each question stands in one, as a cell with `:quiz: {name}`."
            )
    return {"questions": [_banked(quiz[name], number, *place) for number, (name, *place) in enumerate(asked, 1)]}


def _banked(question: Authored, number: int, lesson: str, heading: str) -> dict[str, object]:
    sealed = {tag(question.id, state): seal(question.id, state, text) for state, text in question.states().items()}
    return {
        "id": question.id, "number": number, "kind": question.kind, "text": question.question,
        "options": dict(sorted(question.options.items())), "unit": question.unit, "hint": question.hint,
        "lesson": lesson, "heading": heading, "sealed": dict(sorted(sealed.items())),
    }  # fmt: skip


def key(quiz: Mapping[str, Authored]) -> dict[str, Chosen]:
    """Return the key for the grader: the right answer of each question; a set is sorted."""
    return {name: sorted(_keys(question)) if question.kind == "answers" else question.chosen for name, question in quiz.items()}
