"""A learner at a desk: JupyterLab in a browser, operated by mouse and keyboard. What is waited for is a state, never a time."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import ConsoleMessage, Locator, Page, expect

from tools.browsing import ROOT, TOKEN, Server

SHOTS = ROOT / "build" / "browser"
TABS = 60  # presses of the tab key after which a control counts as out of reach
# What the browser may complain of, word for word, and why it does.
HARMLESS = (
    # nbgrader's page of one submission takes MathJax from a content delivery network; without it, formulas stay as they were typed
    "Failed to load resource: net::ERR_FAILED <https://cdnjs.cloudflare.com/ajax/libs/mathjax/2.7.7/latest.js?config=TeX-AMS_CHTML-full,Safe>",
    "uncaught: MathJax is not defined",
)
SLOW = 60_000  # milliseconds: a kernel that starts while all cores are busy
READY = "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
FRONT = ".jp-NotebookPanel:not(.lm-mod-hidden)"
NOTEBOOK = "window.jupyterapp.shell.currentWidget.content"
# Every code cell but an empty one, which is never counted, has been executed.
DONE = f"() => [...{NOTEBOOK}.model.cells].every(c => c.type !== 'code' || !c.sharedModel.source.trim() || c.executionCount)"


class Desk:
    """One page of one browser. `problems` holds what the browser complained about; `shot` keeps a picture under the test's name."""

    def __init__(self, page: Page, server: Server) -> None:
        self.page, self.server, self.test = page, server, ""
        self.problems: list[str] = []
        page.set_default_timeout(SLOW)
        expect.set_options(timeout=SLOW)
        page.on("console", self._said)
        page.on("pageerror", lambda error: self._note(f"uncaught: {error}"))
        page.context.route(
            lambda url: url.startswith("http") and not url.startswith(server.url), lambda route: route.abort()
        )  # nothing leaves this machine

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._note(f"{message.text} <{message.location['url']}>")

    def _note(self, problem: str) -> None:
        if problem not in HARMLESS:
            self.problems.append(problem)

    # Opening

    def open(self, path: str) -> None:
        """Open a notebook (a path in the server's folder) and wait for its kernel. Those that ran before are ended."""
        self.leave()
        self.page.goto(self.server.page(path))
        self.ready()

    def ready(self) -> None:
        """Wait until the notebook in front is drawn and its kernel idle, with no dialog in the way."""
        self.page.wait_for_selector(f"{FRONT} .jp-Cell")
        self.page.wait_for_function(READY)
        expect(self.page.locator("#jupyterlab-splash")).to_have_count(0)
        assert self.dialogs() == []

    def open_cells(self, folder: str, *cells: str) -> None:
        """Write a notebook of these cells into a folder of the server and open it."""
        target = self.server.folder / folder / "cells.ipynb"
        target.parent.mkdir(parents=True, exist_ok=True)
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}
        nbformat.write(new_notebook(cells=[new_code_cell(cell) for cell in cells], metadata=kernel), target)
        self.open(f"{folder}/cells.ipynb")

    def restart(self) -> None:
        """Restart the kernel as the learner does: 0, 0 in command mode, then the dialog's button."""
        before = self.ask("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.id")
        self.page.keyboard.press("0")
        self.page.keyboard.press("0")
        self.page.locator(".jp-Dialog button.jp-mod-warn").press("Enter")
        expect(self.page.locator(".jp-Dialog")).to_have_count(0)
        self.page.wait_for_function(READY)
        assert before == self.ask("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.id")

    def leave(self) -> None:
        """Go away from JupyterLab and end its kernels: whoever is next starts their own, and two cores are not many."""
        self.page.goto("about:blank")
        sessions, mine = f"{self.server.url}api/sessions", {"Authorization": f"token {TOKEN}"}
        for session in self.page.request.get(sessions, headers=mine).json():
            self.page.request.delete(f"{sessions}/{session['id']}", headers=mine)

    # Operating

    def go_to(self, cell: int) -> None:
        """Select a cell by keyboard."""
        self.page.keyboard.press("Escape")
        now = self.ask(f"{NOTEBOOK}.activeCellIndex")
        for _ in range(abs(cell - now)):
            self.page.keyboard.press("ArrowDown" if now < cell else "ArrowUp")
        assert self.ask(f"{NOTEBOOK}.activeCellIndex") == cell, "the keys went somewhere else"

    def run(self, cell: int) -> Locator:
        """Run one cell by keyboard, wait for it, and return its output."""
        self.go_to(cell)
        self.ask(f"{NOTEBOOK}.model.cells.get({cell}).executionCount = null")  # the number it gets may be the one it had: see restart
        self.page.keyboard.press("Control+Enter")
        self.page.wait_for_function(f"() => {NOTEBOOK}.model.cells.get({cell}).executionCount")
        self.page.wait_for_function(READY)
        return self.output(cell)

    def add_line(self, cell: int, text: str) -> None:
        """Type a line at the end of a cell."""
        self.go_to(cell)
        for key in ("Enter", "Control+End", "Enter"):
            self.page.keyboard.press(key)
        self.page.keyboard.type(text)
        self.page.keyboard.press("Escape")

    def run_all(self) -> None:
        """Run every cell by keyboard, one after the other, and wait for the last."""
        self.go_to(0)
        self.ask(f"[...{NOTEBOOK}.model.cells].filter(c => c.type === 'code').forEach(c => c.executionCount = null)")
        for _ in range(self.ask(f"{NOTEBOOK}.widgets.length") - 1):
            self.page.keyboard.press("Shift+Enter")
        self.page.keyboard.press("Control+Enter")
        self.page.wait_for_function(DONE)
        self.page.wait_for_function(READY)

    def tab_to(self, control: Locator) -> Locator:
        """Reach a control with the tab key alone."""
        for _ in range(TABS):
            if control.evaluate("e => e === document.activeElement"):
                return control
            self.page.keyboard.press("Tab")
        raise AssertionError(f"{control} is not reached within {TABS} presses of the tab key")

    @contextlib.contextmanager
    def dark(self) -> Iterator[None]:
        """JupyterLab's dark theme, for a while."""
        self._theme("Dark", "false")
        yield
        self._theme("Light", "true")

    def _theme(self, name: str, light: str) -> None:
        self.page.evaluate("name => window.jupyterapp.commands.execute('apputils:change-theme', {theme: name})", f"JupyterLab {name}")
        self.page.wait_for_function("light => document.body.dataset.jpThemeLight === light", arg=light)
        expect(self.page.locator("#jupyterlab-splash")).to_have_count(0)
        self.ask("window.jupyterapp.shell.activateById(window.jupyterapp.shell.currentWidget.id)")  # the splash screen took the keyboard

    # Looking

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression on the page."""
        return self.page.evaluate(f"() => {expression}")

    def output(self, cell: int) -> Locator:
        """The output of a cell, scrolled into view."""
        self.ask(f"{NOTEBOOK}.scrollToItem({cell}, 'smart')")
        return self.page.locator(f"{FRONT} .jp-Cell[data-windowed-list-index='{cell}'] .jp-Cell-outputWrapper")

    def outputs(self) -> list[dict[str, Any]]:
        """Every output of the notebook as it would be saved."""
        cells = self.ask(f"{NOTEBOOK}.model.toJSON().cells")
        return [output for cell in cells for output in cell.get("outputs", [])]

    def dialogs(self) -> list[str]:
        """The text of each dialog on the page."""
        return self.page.locator(".jp-Dialog").all_inner_texts()

    def shot(self, step: str, of: Locator | None = None) -> Path:
        """Keep a picture of the page, or of a part of it, for people to look at."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        path = SHOTS / f"{self.test}-{step}.png"
        (of or self.page).screenshot(path=path)
        return path
