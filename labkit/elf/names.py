"""C++ names as the linker sees them (Itanium ABI): which function does a mangled name belong to?"""

import re

# One token of a nested name or of template arguments. A number is the length of the name after it, except where it is part of a
# substitution (S1_), a parameter (T0_), an array (A4_), a vector (Dv8_) or a literal of a built-in type (Lb1E).
TOKEN = re.compile(r"S[0-9A-Z]*_|S[abdiost]|T[0-9]*_|A\d+_|Dv\d+_|D[Tta-z]|[CD][0-5]|Ul|L_Z|L[a-z]n?\d+E|\d+|.")
VALUE = re.compile(r"n?\d*E")  # of a literal whose type is a name, such as an enumerator
OPENING = ("I", "J", "N", "X", "F", "L", "L_Z", "Z", "Ul", "DT", "Dt")  # what ends with E


def unqualified(mangled: str) -> str:
    """Return a function's own name, without namespaces, classes, arguments: "f" of "_ZN1a1fEv", and of "f" itself (extern "C").

    Returns "" for what is no plain function of that name: a constructor, an operator, a local entity, a compiler's clone ("f.cold").
    """
    if "." in mangled:
        return ""
    if not mangled.startswith("_Z"):
        return mangled
    body = mangled[2:].removeprefix("L").removeprefix("St")  # static; in namespace std
    return _nested(body[1:]) if body.startswith("N") else _source_name(body, 0)[0]


def _source_name(text: str, at: int) -> tuple[str, int]:
    """Return the name written as its length and itself, and where the text goes on; ("", at) where there is none."""
    digits = re.compile(r"[1-9]\d{0,4}").match(text, at)
    if digits is None:
        return "", at
    end = digits.end() + int(digits[0])
    return (text[digits.end() : end], end) if end <= len(text) else ("", at)


def _nested(text: str) -> str:
    """Return the last name of a nested name, whose text starts after its N."""
    at, last = len(text) - len(text.lstrip("rVKRO")), ""
    while at < len(text) and text[at] != "E":
        if text[at] in "IB":  # template arguments; a tag such as [abi:cxx11]
            at = _after_arguments(text, at) if text[at] == "I" else max(_source_name(text, at + 1)[1], at + 1)
            continue
        last, end = _source_name(text, at + (text[at] == "L"))
        prefix = TOKEN.match(text, at) if not last else None
        if prefix is not None and not prefix[0].startswith("S"):
            return ""  # a constructor, a destructor, an operator
        at = prefix.end() if prefix is not None else end
    return last


def _after_arguments(text: str, at: int) -> int:
    """Return where the text goes on after template arguments, which start at `at` with I."""
    stack: list[str] = []
    while at < len(text):
        token = TOKEN.match(text, at)
        assert token is not None  # its last alternative is any character
        at, part = token.end(), token[0]
        if part.isdigit():
            at += int(part)
        elif part in OPENING:
            stack.append(part)
            continue
        elif part == "E":
            if stack:
                stack.pop()
            if not stack:
                return at
        value = VALUE.match(text, at) if stack and stack[-1] == "L" else None
        if value is not None:
            stack.pop()
            at = value.end()
    return at
