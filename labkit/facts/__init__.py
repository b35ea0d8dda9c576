"""What the doctor looks at. Each function takes a System and returns a Finding."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from labkit.system import System

State = Literal["ok", "missing", "wrong"]


@dataclass(frozen=True)
class Finding:
    """State of one fact; `fix` is a command or one sentence, empty when the state is ok."""

    state: State
    seen: str
    expected: str
    fix: str = ""


Look = Callable[[System], Finding]


def judged(good: bool, seen: str, expected: str, fix: str) -> Finding:
    """ok or wrong, by `good`."""
    return Finding("ok", seen, expected) if good else Finding("wrong", seen, expected, fix)
