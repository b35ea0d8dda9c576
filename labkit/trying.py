"""Try a learner's function with examples: what it raises is that example's result, so that no check looks at what an earlier version returned."""

import traceback
from collections.abc import Callable, Iterable
from typing import Any

from labkit import show
from labkit.answers import plain
from labkit.rows import RAISED, RETURNED

LONGEST = 160  # characters of an error


def results_of(function: Callable[..., Any], examples: Iterable[tuple[Any, ...]]) -> list[Any]:
    """Call a function with each example, a tuple of its arguments. An error is shown in one line, with its place as the next step."""
    return [_result(number, function, arguments) for number, arguments in enumerate(examples, 1)]


def _result(number: int, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    try:
        found = function(*arguments)
    except Exception as error:
        said = _one_line(f"{RAISED}{type(error).__name__}: {error}")
        show.text(
            f"Example {number}: {function.__name__} {said}\n→ {_place(function, error)}Mend it, then run its cell and this one again."
        )
        return said
    try:
        return plain(found)
    except (TypeError, ValueError):  # a generator, a NaN, `...`: recorded as text, and never right
        return _one_line(f"{RETURNED}{found!r}")


def _place(function: Callable[..., Any], error: Exception) -> str:
    """The learner's own line that raised: below it may be frames of a library."""
    code = getattr(function, "__code__", None)
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if code and frame.filename == code.co_filename]
    return f"In its line {own[-1].lineno}: `{own[-1].line}`. " if own and own[-1].line else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())[:LONGEST]
