"""What a learner answers, as JSON: `...` means not answered yet; sets and paths are allowed, NaN is not."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from labkit.messages import LearnerMessage


def answered(value: Any) -> bool:
    """Whether no `...` is left anywhere inside."""
    if value is ...:
        return False
    if isinstance(value, Mapping):
        return all(map(answered, value.values()))
    if isinstance(value, list | tuple | set):
        return all(map(answered, value))
    return True


def is_nothing(value: Any) -> bool:
    """Whether a value is None, or a list of nothing else: a function whose body is still to be written returns it."""
    return value is None or (isinstance(value, list) and bool(value) and all(item is None for item in value))


def as_json(record_id: str, facts: Mapping[str, Any]) -> dict[str, JsonValue]:
    """Return facts as JSON values. Raises LearnerMessage for what cannot be kept."""
    try:
        return {key: plain(value) for key, value in facts.items()}
    except (TypeError, ValueError) as error:
        raise LearnerMessage(f"{record_id}: {error}.", "Use finite numbers, text, lists, sets and dictionaries.") from None


def plain(value: Any) -> JsonValue:
    """Return one value as JSON. Raises TypeError or ValueError."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} cannot be kept as an answer")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((plain(item) for item in value), key=repr)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"a {type(value).__name__} cannot be kept as an answer")


def worded(value: Any) -> str:
    """Return a value as a sentence has it: a set as `a, b, c`, a dictionary as `first: host, slot: -1`. Raises TypeError or ValueError like `plain`."""
    found = plain(value)
    if isinstance(found, dict):
        return ", ".join(f"{key}: {worded(item)}" for key, item in found.items()) or "nothing"
    if isinstance(found, list):
        return ", ".join(map(worded, found)) or "none"
    return str(found)
