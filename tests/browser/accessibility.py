"""axe-core on a page: what it finds serious or critical, less what JupyterLab and ipywidgets themselves bring."""

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

from tests.browser.desk import FRONT

GRAVE = ("serious", "critical")
# Rule of axe-core, and what of JupyterLab 4.6 or ipywidgets 8.1 the finding is about: their own markup, which a lesson cannot change. A
# finding of another rule, or in anything else, is ours.
NOT_OURS = {
    "aria-allowed-attr": (".jp-Toolbar",),  # its buttons say aria-pressed without being toggles
    "aria-input-field-name": (
        ".jp-CodeMirrorEditor",
        ".noUi-handle",
    ),  # a cell's editor has no name, and a slider's handle does not take its label's
    "aria-required-children": (".jp-WindowedPanel-viewport",),  # the list of cells is a feed of things that are no articles
    "button-name": (".jp-collapseHeadingButton",),  # the arrow beside a heading
    "scrollable-region-focusable": (".jp-CodeMirrorEditor",),  # a long line in an editor
}
RUN = """([scope, own]) => axe.run({include: [scope]}, {resultTypes: ['violations']}).then(found => found.violations.flatMap(
    rule => rule.nodes.filter(node => !(own[rule.id] || []).some(mine => document.querySelector(node.target[0])?.closest(mine)))
        .map(node => [rule.impact, `${rule.id}: ${node.html.slice(0, 200)}`])))"""


def findings(page: Page, scope: str = FRONT) -> list[str]:
    """What axe-core finds serious or critical on a page in `scope`, one line each."""
    page.evaluate(AXE_SCRIPT)
    return [text for impact, text in page.evaluate(RUN, [scope, NOT_OURS]) if impact in GRAVE]
