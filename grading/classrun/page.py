"""A notebook of the frame as text in nbformat's own layout, of which only the cells that differ are laid out anew.

nbformat copies and writes a whole notebook, though nine cells in ten are the same for every submission. JSON escapes line breaks inside
texts, so the layout's own lines can be told from what a learner wrote.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import nbformat
from nbformat import NotebookNode

_OPEN, _CLOSE, _BETWEEN = ' "cells": [\n  {\n', "\n  }\n ],\n", "\n  },\n  {\n"


@dataclass(frozen=True)
class Page:
    """A notebook: its cells, which must not be changed, and its text in parts."""

    cells: tuple[NotebookNode, ...]
    head: str
    texts: tuple[str, ...]
    tail: str

    def text(self, changed: Mapping[int, NotebookNode]) -> str:
        """Return the notebook's text with some cells, by their place, exchanged for others."""
        texts = list(self.texts)
        for place, text in zip(changed, _texts(list(changed.values())), strict=True):
            texts[place] = text
        return self.head + _OPEN + _BETWEEN.join(texts) + _CLOSE + self.tail + "\n"


@lru_cache(maxsize=64)  # a worker sees the same few notebooks again and again
def page(text: str) -> Page:
    """Return a notebook's page. The notebook must be ours and have a cell."""
    notebook = nbformat.v4.reads(text)
    head, _, rest = nbformat.v4.writes(notebook).partition(_OPEN)
    texts, _, tail = rest.rpartition(_CLOSE)
    return Page(tuple(notebook.cells), head, tuple(texts.split(_BETWEEN)), tail)


def _texts(cells: list[NotebookNode]) -> tuple[str, ...]:
    if not cells:
        return ()
    whole = nbformat.v4.writes(NotebookNode(cells=cells, metadata=NotebookNode()))
    return tuple(whole.partition(_OPEN)[2].rpartition(_CLOSE)[0].split(_BETWEEN))
