"""What a learner sees: tables as text and as HTML that says the same. State is always a word, never colour alone."""

import html
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from labkit.doctor import Diagnosis
from labkit.rows import Row

SHORT = 18  # characters
STATE_WORDS = {"ok": "✓ ok", "missing": "– missing", "wrong": "✗ wrong"}


def text(message: str) -> None:
    """Print a line."""
    sys.stdout.write(message + "\n")


def folded(title: str, body: str, *, opened: bool = False) -> None:
    """Display a long text that a reader may open: folded in a notebook unless `opened`, as it is everywhere else."""
    if "ipykernel" in sys.modules:
        markup = f"<details{' open' * opened}><summary>{html.escape(title)}</summary><pre>{html.escape(body)}</pre></details>"
        _display({"text/plain": f"{title}\n{body}", "text/html": markup})
    else:
        text(f"{title}\n{body}")


def check(grade_id: str, rows: Sequence[Row]) -> None:
    """Show a visible check and its summary."""
    good = sum(row.ok for row in rows)
    summary = (
        "all it looks at is in order (the grader also compares answers)"
        if good == len(rows)
        else f"{good} of {len(rows)} rows are in order"
    )
    cells = [("✓ ok" if r.ok else "✗ not yet", r.what, r.seen, r.expected, r.next_step) for r in rows]
    table(f"Check {grade_id}: {summary}", ("state", "what", "seen", "expected", "next step"), cells)


def doctor(found: Sequence[Diagnosis]) -> None:
    """Show the doctor's table."""
    table(*_doctor(found))


def doctor_text(found: Sequence[Diagnosis]) -> str:
    """The doctor's table as text."""
    return as_text(*_doctor(found))


def doctor_html(found: Sequence[Diagnosis]) -> str:
    """The doctor's table as HTML."""
    return as_html(*_doctor(found))


def _doctor(found: Sequence[Diagnosis]) -> tuple[str, Sequence[str], list[tuple[str, ...]]]:
    blocking = [d.name for d in found if d.blocks]
    title = (
        f"Doctor: {len(blocking)} row(s) in your way: {', '.join(blocking)}" if blocking else "Doctor: nothing is in your way on this lane"
    )
    cells: list[tuple[str, ...]] = [
        (STATE_WORDS[d.finding.state], d.name, "yes" if d.needed else "no", d.finding.seen, d.finding.expected, d.finding.fix)
        for d in found
    ]
    return title, ("state", "fact", "needed here", "seen", "expected", "fix"), cells


def table(title: str, header: Sequence[str], cells: Iterable[Sequence[str]]) -> None:
    """Display a table: HTML where there is a notebook, text everywhere."""
    rows = [tuple(map(str, row)) for row in cells]
    plain = as_text(title, header, rows)
    if "ipykernel" in sys.modules:
        _display({"text/plain": plain, "text/html": as_html(title, header, rows)})
    else:
        _print(title, header, rows)


def _print(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table that fits the terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), title_justify="left", show_lines=False)
    for name in header:
        table.add_column(name, overflow="fold")  # a command that is cut off cannot be copied
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)


def as_text(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return the table as text; the last column is not padded."""
    widths = [min(60, max(len(row[i]) for row in [header, *rows])) for i in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [header, *rows]]
    return "\n".join([title, lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def as_html(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return the table as HTML with a caption and header cells, every value escaped."""
    left = 'style="text-align:left;vertical-align:top;padding:0.25em 1em 0.25em 0.3em;line-height:1.3"'
    head = "".join(f'<th scope="col" {left}>{html.escape(cell)}</th>' for cell in header)
    body = "".join("<tr>" + "".join(f"<td {_short(left, cell)}>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    caption = f'<caption style="caption-side:top;text-align:left;font-weight:bold">{html.escape(title)}</caption>'
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _short(style: str, cell: str) -> str:
    """Keep a short cell, such as a state or a name, in one line."""
    return style.replace('style="', 'style="white-space:nowrap;') if len(cell) <= SHORT else style


def widget(controls: Any, plain: str, markup: str) -> None:
    """Display a widget where a front end can show it, the same content as HTML or text elsewhere."""
    if "ipykernel" in sys.modules:
        _display({**controls._repr_mimebundle_(), "text/plain": plain, "text/html": markup})
    else:
        text(plain)


def _display(bundle: dict[str, Any]) -> None:
    from IPython.display import display

    display(bundle, raw=True)
