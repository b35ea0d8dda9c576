"""Reads an nsys command as nsys does, as far as lesson 05 asks about it."""

import re
from collections.abc import Sequence

SHORT = {"t": "trace", "s": "sample", "o": "output", "f": "force-overwrite", "c": "capture-range"}  # nsys profile --help
OPTION = re.compile(r"--(?P<long>[a-z][a-z-]*)(=(?P<value>\S*))?|-(?P<short>[a-z])=?(?P<glued>\S*)")
MOST = 64  # words of a command


def parsed(words: Sequence[object]) -> tuple[dict[str, str], list[object]]:
    """Return the options of a command's words, by long name without dashes, and the words that are neither an option nor its value.

    A value stands in the option's word (--sample=none, -snone) or in the next one (--sample none). Of a repeated option the last counts.
    """
    found: dict[str, str] = {}
    odd: list[object] = []
    waiting = ""
    for word in words[:MOST]:
        option = OPTION.fullmatch(word.strip()) if isinstance(word, str) else None
        if option is not None:
            name = option["long"] or SHORT.get(option["short"], option["short"])
            value = option["value"] if option["long"] else option["glued"] or None
            found[name], waiting = value or "", name if value is None else ""
        elif waiting and isinstance(word, str) and re.fullmatch(r"\S+", word.strip()):
            found[waiting], waiting = word.strip(), ""
        else:
            odd.append(word)
    return found, odd + list(words[MOST:])


def listed(value: str) -> set[str]:
    """Return the words of a value that is a list with commas."""
    return {word.strip() for word in value.split(",") if word.strip()}
