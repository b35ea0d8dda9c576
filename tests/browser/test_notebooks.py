"""Every notebook opens as a learner opens it: a double click in the file browser."""

import nbformat
import pytest
from playwright.sync_api import expect

from tests.browser.desk import FRONT, NOTEBOOK
from tools.browsing import ROOT

pytestmark = pytest.mark.real
NAMES = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))


def test_every_notebook_opens(desk):
    """Its kernel starts, every cell is there, and nothing asks anything. One after the other, beside those opened before."""
    desk.leave()
    desk.page.goto(desk.server.page())
    listed = desk.page.locator(".jp-DirListing-item")
    listed.filter(has_text="notebooks").dblclick()
    for name in NAMES:
        listed.filter(has_text=f"{name}.ipynb").dblclick()
        desk.page.wait_for_function("path => window.jupyterapp.shell.currentWidget?.context?.path === path", arg=f"notebooks/{name}.ipynb")
        desk.ready()
        cells = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4).cells
        assert desk.ask(f"[...{NOTEBOOK}.model.cells].map(c => c.type)") == [cell.cell_type for cell in cells]
        expect(desk.page.locator(f"{FRONT} h1")).to_have_count(1)
        desk.shot(name)
