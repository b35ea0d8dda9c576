"""Reads an nsys command as nsys does, as far as lesson 05 asks about it."""

from collections.abc import Sequence

SHORT = {"t": "trace", "s": "sample", "o": "output", "f": "force-overwrite", "c": "capture-range"}  # nsys profile --help
MOST = 64  # words of a command


def options(words: Sequence[object]) -> dict[str, str]:
    """Return the options of `nsys profile`, long names without dashes; of a repeated option the last counts. Words that are no text are skipped."""
    found: dict[str, str] = {}
    waiting = ""
    for word in words[:MOST]:
        if not isinstance(word, str):
            continue
        if word.startswith("-"):
            name, equals, value = word.lstrip("-").partition("=")
            short = not word.startswith("--")
            if short and not equals and len(name) > 1:  # -tcuda,nvtx
                name, value, equals = name[0], name[1:], "="
            name = SHORT.get(name, name) if short else name
            found[name], waiting = value.strip(), "" if equals else name
        elif waiting:
            found[waiting], waiting = word.strip(), ""
    return found


def listed(value: str) -> set[str]:
    """Return the words of a value that is a list with commas."""
    return {word.strip() for word in value.split(",") if word.strip()}
