"""Times, sizes and shares as text, and a table whose cells have more to say on hover."""

import html
import sys
from collections.abc import Iterable, Sequence

from labkit import show

TIMES = ((1e9, "s"), (1e6, "ms"), (1e3, "µs"))
NUMBERS = ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"))
SIZES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
NARROW, NUMBER = 24, 10  # characters of a cell that is kept in one line, and of one that can be a number


class Hover(str):
    """A cell's text that shows another one on hover: a short name, and the full one."""

    full: str

    def __new__(cls, text: str, full: str) -> "Hover":
        """Make a text that knows a longer one."""
        made = super().__new__(cls, text)
        made.full = full
        return made


def time_text(ns: float) -> str:
    """Nanoseconds as text with three significant digits, in the unit that reads best."""
    return _scaled(ns, TIMES, "ns")


def size_text(size: float) -> str:
    """Bytes as text with three significant digits; a kB is 1000 bytes, as in a bandwidth."""
    return _scaled(size, SIZES, "B")


def operations_text(count: float) -> str:
    """A large number as text with three significant digits: 890 trillion."""
    return _scaled(count, NUMBERS, "").rstrip()


def share_text(part: float, whole: float) -> str:
    """A share in per cent, "–" where there is no whole."""
    if not whole:
        return "–"
    return "<0.1%" if 0 < part / whole < 0.0005 else f"{part / whole:.1%}"


def count_text(count: int, noun: str) -> str:
    """A number and its noun: 1 kernel, 179 kernels."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Display a table as labkit.show does, and where a cell is a Hover its full text on hover in HTML."""
    cells = [tuple(row) for row in rows]
    if "ipykernel" in sys.modules:
        show._display({"text/plain": show.as_text(title, header, cells), "text/html": as_html(title, header, cells)})
    else:
        show.table(title, header, cells)


def as_html(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return the table as HTML: numbers to the right, and the full text of a Hover as its cell's title."""
    right = [all(len(row[i]) <= NUMBER and (row[i][:1].isdigit() or row[i][:1] in "–<") for row in rows) for i in range(len(header))]
    head = "".join(f'<th scope="col" {_style(right[i], name)}>{html.escape(name)}</th>' for i, name in enumerate(header))
    body = "".join("<tr>" + "".join(_cell(cell, right[i]) for i, cell in enumerate(row)) + "</tr>" for row in rows)
    caption = f'<caption style="caption-side:top;text-align:left;font-weight:bold">{html.escape(title)}</caption>'
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(cell: str, right: bool) -> str:
    full = f' title="{html.escape(cell.full, quote=True)}"' if isinstance(cell, Hover) else ""
    text = html.escape(cell)
    if len(cell) > NARROW:  # a long name may go on in the next line
        text = text.replace("_", "_<wbr>").replace("::", "::<wbr>")
    return f"<td {_style(right, cell)}{full}>{text}</td>"


def _style(right: bool, cell: str) -> str:
    side, wrap = ("right" if right else "left"), ("white-space:nowrap;" if len(cell) <= NARROW else "")
    return f'style="{wrap}text-align:{side};vertical-align:top;padding:0.25em 1em 0.25em 0.3em;line-height:1.3"'


def _scaled(value: float, units: Sequence[tuple[float, str]], smallest: str) -> str:
    for factor, unit in units:
        if abs(value) >= 0.9995 * factor:  # 999.6 µs rounds to 1 ms, not to 1e+03 µs
            scaled = value / factor
            return f"{scaled:.3g} {unit}" if scaled < 999.5 else f"{scaled:,.0f} {unit}"
    return f"{value:.3g} {smallest}"
