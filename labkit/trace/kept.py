"""What was read off a trace once, and stays with it: a trace never changes, and several checks ask it the same."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from labkit.trace.model import Trace

MOST_ANSWERS = 1000  # of one trace
EACH = 2  # lists that are kept may hold an event this often together: the course's, of steps or phases, hold it once or twice
Given = ParamSpec("Given")
Found = TypeVar("Found")


def kept(answer: Callable[Concatenate[Trace, Given], Found]) -> Callable[Concatenate[Trace, Given], Found]:
    """Make a pure function of a trace answer once for the same arguments. A list is copied each time: a learner may change theirs.

    Lists are kept while they are no longer together than twice the trace: a hostile one may have all its events in each of its ranges.
    """

    @wraps(answer)
    def answering(trace: Trace, /, *args: Given.args, **kwargs: Given.kwargs) -> Any:
        key = (answer, args, tuple(kwargs.items()))
        if key in trace.answers:
            return _own(trace.answers[key])
        found = answer(trace, *args, **kwargs)
        if len(trace.answers) < MOST_ANSWERS and _room(trace) >= _size(found):
            trace.answers[key] = found
        return _own(found)

    return answering


def _own(found: Any) -> Any:
    return found.copy() if isinstance(found, list) else found


def _room(trace: Trace) -> int:
    return EACH * (len(trace.ops) + len(trace.work) + MOST_ANSWERS) - sum(map(_size, trace.answers.values()))


def _size(found: object) -> int:
    return len(found) if isinstance(found, list) else 1
