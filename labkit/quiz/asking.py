"""Ask a question, and keep what is answered: one record per question, which a later answer replaces."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue

from labkit import show
from labkit.evidence import BadEvidence, Evidence
from labkit.messages import LearnerMessage
from labkit.quiz import card
from labkit.quiz.bank import Chosen, Question, feedback, questions, read_chosen, shuffled
from labkit.quiz.given import understand

Write = Callable[[str, Mapping[str, JsonValue]], None]  # record id, facts


@dataclass(frozen=True)
class Sitting:
    """One learner in front of one question. `shown` are the keys of the options in the learner's order."""

    question: Question
    token: str
    evidence: Evidence
    write: Write
    shown: list[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shown", shuffled(self.question, self.token))

    def earlier(self) -> tuple[Chosen | None, int]:
        """Return the answer on disk, None where there is none that can be read, and how many tries it took."""
        try:
            facts = self.evidence.record(self.question.record_id).facts
        except BadEvidence:  # not there, somebody else's, or damaged: then it is answered now
            return None, 0
        tries = facts.get("tries")
        return read_chosen(self.question, facts.get("chosen")), tries if type(tries) is int else 0

    def take(self, given: Any) -> str:
        """Record an answer and return what is said of it. The same answer again is no new try. Raises LearnerMessage."""
        chosen = understand(self.question, self.shown, given)
        before, tries = self.earlier()
        if chosen != before:
            tries += 1
            self.write(self.question.record_id, {"chosen": list(chosen) if isinstance(chosen, list) else chosen, "tries": tries})
        return card.said_of(self.question, self.shown, chosen, feedback(self.question, chosen), tries)

    def so_far(self) -> str:
        """Return what was said of the answer on disk, "" when there is none."""
        chosen, tries = self.earlier()
        return "" if chosen is None else card.said_of(self.question, self.shown, chosen, feedback(self.question, chosen), tries)


def ask(question_id: str, answer: Any, *, evidence: Evidence, token: str, write: Write) -> None:
    """Show a question with its controls; with an answer other than `...` take that, and say what there is to say of it.

    Raises LearnerMessage for a question that there is not, and for an answer that cannot be one.
    """
    known = questions()
    if question_id not in known:
        raise LearnerMessage(f"There is no question {question_id!r} in the quiz.", "Its id stands in the lesson's own cell.")
    sitting = Sitting(known[question_id], token, evidence, write)
    if answer is ...:
        _show(sitting)
    else:
        show.text(sitting.take(answer))


def _show(sitting: Sitting) -> None:
    from labkit.quiz.controls import form

    chosen, _ = sitting.earlier()
    words = (sitting.question, sitting.shown, chosen)
    show.widget(form(sitting), card.text(*words), card.markup(*words))
