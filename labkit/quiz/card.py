"""A question and what is said of an answer, as text and as HTML that says the same."""

import html
import re
from collections.abc import Sequence

from labkit.quiz.bank import Chosen, Feedback, Question

LETTERS = "abcdefgh"
SHORT, KEPT = 24, ' style="white-space:nowrap"'  # characters of code that stay in one line
TASKS = {
    "choice": "Choose one.",
    "answers": "Choose all that are true; there may be several.",
    "order": "Bring these in order, the first at the top.",
}
IN_CODE = {
    "choice": ('"…"', "with a letter between the quotes, or the beginning of an option's text"),
    "answers": ('"…"', "with letters between the quotes; or a list of how the options' texts begin"),
    "order": ('"…"', "with all letters between the quotes, in order; or a list of how the options' texts begin"),
    "number": ("…", "with a whole number in place of the dots"),
}


def text(question: Question, shown: Sequence[str], chosen: Chosen | None = None) -> str:
    """Return the question as text, with how to answer it without controls."""
    lines = [
        f"Question {question.number}. {question.text}",
        task(question),
        *(f"  {LETTERS[i]}) {question.options[key]}" for i, key in enumerate(shown)),
    ]
    standing = [f"Your answer so far: {in_letters(question, shown, chosen)}"] if chosen is not None else []
    return "\n".join([*lines, *standing, how_to_answer(question)])


def markup(question: Question, shown: Sequence[str], chosen: Chosen | None = None) -> str:
    """Return the question as HTML, for a page without controls."""
    options = "".join(f"<li>{inline(question.options[key])}</li>" for key in shown)
    standing = f"<p>Your answer so far: {inline(in_letters(question, shown, chosen))}</p>" if chosen is not None else ""
    listed = f'<ol type="a" style="list-style-type:lower-alpha">{options}</ol>' if shown else ""
    return f"{heading(question)}<p>{inline(task(question))}</p>{listed}{standing}<p>{inline(how_to_answer(question))}</p>"


def heading(question: Question) -> str:
    """Return the question itself as HTML."""
    return f"<p><b>Question {question.number}.</b> {inline(question.text)}</p>"


def task(question: Question) -> str:
    """Return what there is to do."""
    return TASKS.get(question.kind) or f"A whole number ({question.unit})."


def how_to_answer(question: Question) -> str:
    """Return how to answer in code. No letter stands here as an example: it might be the right one."""
    gap, what = IN_CODE[question.kind]
    return f'Without the controls: `lab.quiz("{question.id}", {gap})`, {what}.'


def said_of(question: Question, shown: Sequence[str], chosen: Chosen, heard: Feedback, tries: int) -> str:
    """Return what a learner reads after an answer; the first word is the verdict."""
    verdict = "✓ Right." if heard.right else "✗ Not right."
    changeable = "" if heard.right else " You may change it until you hand in."
    return f"{verdict} {heard.why} (Your answer: {in_letters(question, shown, chosen)}; try {tries}, recorded.{changeable})"


def in_letters(question: Question, shown: Sequence[str], chosen: Chosen) -> str:
    """Return an answer in the letters that this learner sees, or as a number with its unit."""
    if isinstance(chosen, int):
        return f"{chosen:,} {question.unit}"
    letters = [LETTERS[shown.index(key)] for key in chosen]
    return ", ".join(letters if question.kind == "order" else sorted(letters))


def inline(words: str) -> str:
    """Return a sentence as HTML: escaped, and what stands in backticks as code."""
    return re.sub(r"`([^`]+)`", lambda found: f"<code{KEPT if len(found[1]) <= SHORT else ''}>{found[1]}</code>", html.escape(words))
