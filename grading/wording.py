"""A verdict in the learner's words. Parts of it were written by a stranger, so only plain characters get through."""

import re
import textwrap
import unicodedata

from grading.verdict import Verdict

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_PART_LIMIT = 800
_WIDTH = 110  # of the feedback page: what does not fit there can only be read by scrolling sideways
_INDENT = " " * 12


def as_text(verdict: Verdict, points: float) -> str:
    """Return the verdict as plain lines: state and points, then the goal, what was seen, what was expected and the next step."""
    lines = [f"{verdict.state.upper()}: {verdict.points:g} of {points:g} points"]
    parts = (("goal", verdict.goal), ("seen", verdict.seen), ("expected", verdict.expected), ("next", verdict.next_step))
    lines += [_wrapped(f"  {label:<9} {plain(text)}") for label, text in parts if text]
    return "\n".join(lines) + "\n"


def _wrapped(part: str) -> str:
    """Break a part into lines between words only, so that grading.report.told can join them again."""
    return textwrap.fill(part, _WIDTH, subsequent_indent=_INDENT, break_long_words=False, break_on_hyphens=False)


def plain(text: str, limit: int = _PART_LIMIT) -> str:
    """Return text on one line, without escape sequences, control or direction-changing characters, at most `limit` long."""
    words = " ".join(_ANSI.sub("", text).split())
    kept = words if words.isprintable() else "".join(c for c in words if not unicodedata.category(c).startswith("C"))
    return kept if len(kept) <= limit else kept[: limit - 1] + "…"
