"""Who is learning, and the parameters that make one learner's evidence differ from another's."""

import getpass
import hashlib
import re

_VALID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_WORDS = (
    "amber", "basil", "cedar", "delta", "ember", "fjord", "grove", "heron", "inlet", "jasmine", "kayak", "lagoon", "maple", "nectar",
    "onyx", "pebble", "quartz", "raven", "saffron", "tundra", "umber", "violet", "willow", "yarrow",
)  # fmt: skip


class BadLearnerName(ValueError):
    """The name cannot be a folder name in `submitted/`."""


def learner_name(given: str = "") -> str:
    """Return the learner's name: the one given, else the login name. It is also the folder name under `submitted/`.

    Raises BadLearnerName when it holds anything but letters, digits, `_`, `.` and `-`.
    """
    name = str(given).strip() or re.sub(r"[^A-Za-z0-9_.-]", "-", getpass.getuser())
    if not _VALID.fullmatch(name):
        raise BadLearnerName(f"LEARNER is {name!r}. Expected 1 to 64 letters, digits, '_', '.' or '-', starting with a letter or digit.")
    return name


def token_of(learner: str) -> str:
    """Return the learner token: 16 hexadecimal digits that anyone can derive from the name.

    It is no secret. It makes prompts, symbol names and labels differ between learners, so that evidence copied from
    somebody else does not fit.
    """
    return hashlib.sha256(f"vllm-day2:{learner}".encode()).hexdigest()[:16]


def pick(token: str, purpose: str, size: int) -> int:
    """Return a number in range(size) that depends on the token and the purpose only."""
    return int.from_bytes(hashlib.sha256(f"{token}:{purpose}".encode()).digest()[:8]) % size


def word(token: str, purpose: str) -> str:
    """Return a plain English word for this learner and purpose, for prompts and labels."""
    return _WORDS[pick(token, purpose, len(_WORDS))]


def symbol(token: str) -> str:
    """Return the learner's own C++ function name, as lesson 01 compiles it: `probe_` and 8 hexadecimal digits."""
    return f"probe_{token[:8]}"
