"""Every notebook opens as a learner opens it: a double click in the file browser."""

import nbformat
import pytest
from playwright.sync_api import expect

from tests.browser.desk import FRONT, NOTEBOOK

pytestmark = pytest.mark.real


def test_every_notebook_opens(desk):
    """Its kernel starts, every cell is there, and nothing asks anything. One after the other, beside those opened before."""
    desk.leave()
    desk.page.goto(desk.server.page())
    listed = desk.page.locator(".jp-DirListing-item")
    listed.filter(has_text="notebooks").dblclick()
    for path in sorted((desk.server.folder / "notebooks").glob("*.ipynb")):
        listed.filter(has_text=path.name).dblclick()
        desk.page.wait_for_function("path => window.jupyterapp.shell.currentWidget?.context?.path === path", arg=f"notebooks/{path.name}")
        desk.ready()
        cells = nbformat.read(path, as_version=4).cells
        assert desk.ask(f"[...{NOTEBOOK}.model.cells].map(c => c.type)") == [cell.cell_type for cell in cells]
        expect(desk.page.locator(f"{FRONT} h1")).to_have_count(1)
        desk.shot(path.stem)
