"""Changes of values in a JSON document: drawn as data, so that a change can be kept, and done."""

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

NUMBERS = (
    0, 1, -1, 2, 7, 16, 100, 2**31, 2**53, 10**15 - 1, 10**15, 2**63, 2**64, 10**25, 10**308, 10**309, -(10**400), 10**4298,
    0.0, -0.0, 0.5, 1.0, 1e-9, 5e-324, 1e15, 1e16, 1.7e308, -1.7e308, 863_999.0,
)  # fmt: skip
TEXTS = (
    "", " ", "0", "-1", "007", "1e999", "nan", "inf", "True", "²", "٣", "1_000", "0x10", "None", "\0", "\u202e", "=1+1", "<b>", "../x", "a\nb",
    "%s{0}", "-O3", "cpu", "cuda", "$1 = 3", "{1 <repeats 999 times>}", "Traceback (most recent call last)", "_ZN" + "I" * 200, "🙂", "\ud800",
)  # fmt: skip
SHAPES: tuple[Any, ...] = (
    None, True, False, [], {}, [None], [[]], [0], [""], {"": None}, {"a": {"b": []}}, [True, 1, 1.0], [["a", "b", 1]],
)  # fmt: skip
HUGE: tuple[Any, ...] = (
    {"$text": ["x", 4096]}, {"$text": ["x", 300_000]}, {"$text": ["(a ", 9000]}, {"$text": ["9", 5000]}, {"$list": [0, 5000]}, {"$list": [[], 5000]},
    {"$keys": 3000}, {"$deep": 20}, {"$deep": 300},
)  # fmt: skip


def grown(value: Any) -> Any:
    """Return a value with its short forms written out: {"$text": [part, times]}, {"$list": [item, times]}, {"$keys": n}, {"$deep": n}."""
    value = copy.deepcopy(value)  # what is put into a document may be changed there
    if not isinstance(value, dict) or len(value) != 1:
        return value
    ((kind, how),) = value.items()
    if kind in ("$text", "$list"):
        return how[0] * how[1] if kind == "$text" else [how[0]] * how[1]
    if kind == "$keys":
        return {f"k{i}": i for i in range(how)}
    return json.loads("[" * how + "]" * how) if kind == "$deep" else value


def some_value(draw: random.Random, beside: Any = None) -> Any:
    """Return a value to put in the place of `beside`: near it, or of another type, or too large."""
    kind = draw.random()
    if kind < 0.25 and isinstance(beside, str):
        return _near_text(draw, beside)
    if kind < 0.25 and type(beside) in (int, float) and abs(beside) < 1e300:
        return draw.choice((beside + 1, beside - 1, -beside, beside * 2, beside * 1000, float(beside), str(beside), [beside]))
    if kind < 0.25 and isinstance(beside, list) and beside:
        return draw.choice(
            (beside[:-1], beside[::-1], beside + beside, [beside], beside[0], dict.fromkeys(map(str, beside)), beside[:1] * 50)
        )
    return draw.choice(draw.choices((NUMBERS, TEXTS, SHAPES, HUGE), (4, 4, 4, 1))[0])


def _near_text(draw: random.Random, text: str) -> Any:
    at = draw.randrange(len(text) + 1)
    return draw.choice(
        (
            text[:at],
            text[at:],
            text + " ",
            text.upper(),
            text + text,
            text[:at] + draw.choice(TEXTS) + text[at:],
            text.replace(" ", ""),
            [text],
            {text: text},
        )
    )


def draw_edit(draw: random.Random, document: Any, inside: tuple[str, ...] = (), *, small: bool = False) -> dict[str, Any]:
    """Return one change of a JSON document: where ("at"), what ("op"), and with which value. `inside` is where it may start.

    In a `small` document each value is as likely as any other, half of the time; to list those of a large one takes too long.
    """
    at, here = _walked(draw, document, inside) if not small or draw.random() < 0.5 else draw.choice(list(leaves(document)))
    op = draw.choices(("set", "delete", "rename", "double", "swap"), (12, 3, 2, 2, 2))[0]
    edit: dict[str, Any] = {"at": at, "op": op}
    if op == "set":
        edit["value"] = some_value(draw, here)
    elif op == "rename":
        edit["value"] = draw.choice(TEXTS[:-1])
    elif op == "swap":
        edit["value"] = draw.randrange(100)
    return edit


def _walked(draw: random.Random, document: Any, inside: tuple[str, ...]) -> tuple[list[Any], Any]:
    """Go down from `inside`, at each level into any child: what stands high up is met more often than by drawing from all values."""
    at: list[Any] = []
    here = document
    for key in inside:
        if isinstance(here, dict) and key in here:
            at, here = [*at, key], here[key]
    while isinstance(here, dict | list) and here and (not at or len(at) == len(inside) or draw.random() < 0.75):
        step = draw.choice(list(here)) if isinstance(here, dict) else draw.randrange(len(here))
        at, here = [*at, step], here[step]
    return at, here


def leaves(document: Any) -> Iterator[tuple[list[Any], Any]]:
    """Yield all values of a document that hold no others, with the way to each."""
    waiting: list[tuple[list[Any], Any]] = [([], document)]
    while waiting:
        at, here = waiting.pop()
        if isinstance(here, dict | list) and here:
            waiting += [([*at, step], inner) for step, inner in (here.items() if isinstance(here, dict) else enumerate(here))]
        else:
            yield at, here


def apply_edit(document: Any, edit: dict[str, Any]) -> Any:
    """Return a JSON document with one change; one that does not fit leaves it as it is."""
    *way, last = edit["at"] or [None]
    holder = document
    for step in way:
        if not (isinstance(holder, dict) and step in holder) and not (
            isinstance(holder, list) and isinstance(step, int) and step < len(holder)
        ):
            return document
        holder = holder[step]
    if last is None:
        return grown(edit.get("value")) if edit["op"] == "set" else document
    if isinstance(holder, dict) and last in holder:
        _in_dict(holder, last, edit)
    elif isinstance(holder, list) and isinstance(last, int) and last < len(holder):
        _in_list(holder, last, edit)
    return document


def _in_dict(holder: dict[str, Any], key: str, edit: dict[str, Any]) -> None:
    if edit["op"] == "set":
        holder[key] = grown(edit["value"])
    elif edit["op"] == "delete":
        del holder[key]
    elif edit["op"] in ("rename", "double"):
        holder[str(edit.get("value", f"{key} "))] = copy.deepcopy(holder[key]) if edit["op"] == "double" else holder.pop(key)
    else:
        other = list(holder)[edit["value"] % len(holder)]
        holder[key], holder[other] = holder[other], holder[key]


def _in_list(holder: list[Any], at: int, edit: dict[str, Any]) -> None:
    if edit["op"] == "set":
        holder[at] = grown(edit["value"])
    elif edit["op"] == "delete":
        del holder[at]
    elif edit["op"] == "swap":
        other = edit["value"] % len(holder)
        holder[at], holder[other] = holder[other], holder[at]
    else:
        holder.insert(at, copy.deepcopy(holder[at]))
