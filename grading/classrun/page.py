"""A notebook of the frame as text in nbformat's own layout, of which only the cells that differ are laid out anew.

nbformat copies and writes a whole notebook, though nine cells in ten are the same for every submission. JSON escapes line breaks inside
texts, so the layout's own lines can be told from what a learner wrote.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader import utils

_OPEN, _CLOSE, _BETWEEN = ' "cells": [\n  {\n', "\n  }\n ],\n", "\n  },\n  {\n"
_MARKED = (utils.is_grade, utils.is_solution, utils.is_task)
_LINE = "\n   "  # before each key of a cell
_OUTPUTS, _SOURCE = f'{_LINE}"outputs": ', f'{_LINE}"source": '


@dataclass(frozen=True)
class Page:
    """A notebook: its cells, which must not be changed, and its text in parts."""

    cells: tuple[NotebookNode, ...]
    head: str
    texts: tuple[str, ...]
    tail: str
    live: tuple[int, ...]  # the places of cells that a learner fills, that are graded, or that have outputs

    def text(self, changed: Mapping[int, NotebookNode]) -> str:
        """Return the notebook's text with some cells, by their place, exchanged for others, in which only source and outputs may differ."""
        texts = list(self.texts)
        for place, cell in changed.items():
            texts[place] = _changed(texts[place], cell)
        return self.head + _OPEN + _BETWEEN.join(texts) + _CLOSE + self.tail + "\n"


@lru_cache(maxsize=64)  # a worker sees the same few notebooks again and again
def page(text: str) -> Page:
    """Return a notebook's page. The notebook must be ours and have a cell."""
    notebook = nbformat.v4.reads(text)
    head, _, rest = nbformat.v4.writes(notebook).partition(_OPEN)
    texts, _, tail = rest.rpartition(_CLOSE)
    live = (place for place, cell in enumerate(notebook.cells) if cell.get("outputs") or any(of(cell) for of in _MARKED))
    return Page(tuple(notebook.cells), head, tuple(texts.split(_BETWEEN)), tail, tuple(live))


def _changed(ours: str, cell: NotebookNode) -> str:
    """Return the text of a cell of ours with other outputs and another source: keys are sorted, so that these are the last ones."""
    source = _SOURCE + _laid_out(cell.source.splitlines(True), _LINE)
    if cell.cell_type != "code":
        return ours.partition(_SOURCE)[0] + source
    return f"{ours.partition(_OUTPUTS)[0]}{_OUTPUTS}{_laid_out(list(map(_lined, cell.outputs)), _LINE)},{source}"


def _lined(output: NotebookNode) -> dict[str, Any]:
    """Return one of grading.classrun.one's two outputs with its text in lines."""
    if output.output_type == "stream":
        return {**output, "text": output.text.splitlines(True)}
    return {**output, "data": {kind: text.splitlines(True) for kind, text in output.data.items()}}


def _laid_out(value: Any, line: str) -> str:
    """Return JSON as nbformat lays it out, after `line`. Line breaks inside of texts are escaped: all that stand there are layout."""
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).replace("\n", line)
