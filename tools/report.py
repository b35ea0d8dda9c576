"""The report of a course run: scores, times, and every executed notebook with its plots, as plain HTML."""

import html
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbconvert import HTMLExporter

from labkit.lane import Lane
from tools.grades import Score

WIDGET = "application/vnd.jupyter.widget-view+json"
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; background: #fff }
table { border-collapse: collapse; margin: 1rem 0 } th, td { border: 1px solid #767676; padding: .3rem .7rem; text-align: left }
caption { text-align: left; font-weight: bold; padding: .3rem 0 } a { color: #00529b }
@media (prefers-color-scheme: dark) { body { color: #e8e8e8; background: #161616 } a { color: #8ab4f8 } th, td { border-color: #999 } }
"""


def write_report(
    folder: Path, run: Path, grade: Path, lane: Lane, executed: Sequence[Mapping[str, Any]], found: Mapping[str, Sequence[Score]]
) -> Path:
    """Write the report into `folder` and return its index page. Every text that did not come from us is escaped."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path in sorted(run.glob("*.ipynb")):
        (folder / f"{path.stem}.html").write_text(_notebook(path))
    for path in sorted((grade / "feedback").glob("*/*/*.html")):
        target = folder / "feedback" / path.parts[-3] / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    index = folder / "index.html"
    index.write_text(_index(lane, executed, found))
    return index


def _notebook(path: Path) -> str:
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.pop("widgets", None)  # a page has no kernel: show the table that stands beside each widget
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET, None)
    body, _ = HTMLExporter(sanitize_html=False).from_notebook_node(notebook)  # our own notebooks
    return str(body)


def _index(lane: Lane, executed: Sequence[Mapping[str, Any]], found: Mapping[str, Sequence[Score]]) -> str:
    learners = sorted(found, reverse=True)
    times = _table(
        "Notebooks", ("notebook", "seconds", "ended"),
        [(_link(f"{e['name']}.html", e["name"]), f"{e['seconds']:.1f}", "well" if e["ok"] else "with an error") for e in executed],
    )  # fmt: skip
    by_learner = {learner: {s.grade_id: s for s in found[learner]} for learner in learners}
    rows = [
        (html.escape(s.grade_id), *(f"{by_learner[learner][s.grade_id].points:g}" for learner in learners), f"{s.maximum:g}")
        for s in found[learners[0]]
    ]
    totals = (
        "together",
        *(f"{sum(s.points for s in found[learner]):g}" for learner in learners),
        f"{sum(s.maximum for s in found[learners[0]]):g}",
    )
    points = _table("Points", ("exercise", *map(html.escape, learners), "of"), [*rows, totals])
    feedback = [
        (html.escape(learner), " ".join(_link(f"feedback/{learner}/{e['name']}.html", e["name"]) for e in executed)) for learner in learners
    ]
    reasons = "".join(f"<li>{html.escape(reason)}</li>" for reason in lane.reasons)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Course run</title><style>{STYLE}</style></head><body><main><h1>Course run on the {lane.name} lane</h1><ul>{reasons}</ul>"
        f"{times}{points}{_table('What learners get back', ('learner', 'feedback'), feedback)}</main></body></html>\n"
    )


def _table(caption: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells are HTML already."""
    head = "".join(f'<th scope="col">{cell}</th>' for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _link(target: str, text: str) -> str:
    return f'<a href="{html.escape(target, quote=True)}">{html.escape(text)}</a>'
