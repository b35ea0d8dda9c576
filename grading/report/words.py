"""Texts for a page: cleaned and cut. Escaping is the templates' work; here goes what escaping would let through."""

import unicodedata

from grading.wording import plain

LINE_CHARS = 800
COMMENT_LINES = 60
_ROUND_MINUTES = 120


def line(text: object, limit: int = LINE_CHARS) -> str:
    """Return a text on one line without control and direction-changing characters, at most `limit` long."""
    words = str(text)
    simple = len(words) <= limit and words.isprintable() and "  " not in words  # most are: the long way costs microseconds per letter
    return words.strip() if simple else plain(words, limit)


def visible(text: str) -> str:
    """Return a text without control and direction-changing characters; lines stay lines."""
    return text if text.isprintable() else "".join(c for c in text if c == "\n" or not unicodedata.category(c).startswith("C"))


def lines(text: object) -> str:
    """Return a text that may have several lines, such as an instructor's comment; each one cleaned, at most 60 of them."""
    kept = [line(one) for one in str(text).splitlines()]
    return "\n".join([*kept[:COMMENT_LINES], "…"] if len(kept) > COMMENT_LINES else kept).strip()


def number(value: float) -> str:
    """Return a number of points without needless zeros: 2, 0.2, 13.35."""
    return f"{round(value, 2):g}"


def percent(share: float) -> str:
    """Return a share from 0 to 1 in whole percent; only 1 itself is 100 %, and only 0 itself is 0 %."""
    whole = round(share * 100)
    inner = min(max(whole, 1), 99) if 0 < share < 1 else whole
    return f"{inner} %"


def duration(seconds: float) -> str:
    """Return seconds as one reads them: 0.4 s, 42 s, 3 min, 1 h 20 min."""
    if seconds < _ROUND_MINUTES:
        return f"{seconds:.1f} s" if 0.05 <= seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < _ROUND_MINUTES else f"{minutes // 60} h {minutes % 60:02d} min"
