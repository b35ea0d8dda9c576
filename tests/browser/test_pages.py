"""The pages that the course writes, of a real run: complete for those who cannot see them, light and dark, and without the network."""

import pytest

from tests.browser.accessibility import findings
from tools.browsing import ROOT

REPORT = ROOT / "build" / "report"
OURS = ("index.html", "reports/index.html", "reports/*/index.html")  # the rest are nbconvert's and nbgrader's pages
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not REPORT.is_dir(), reason="no pages to look at: `make course` writes build/report/"),
]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_can_be_read_by_everyone(desk, scheme):
    desk.page.emulate_media(color_scheme=scheme)
    found = {}
    for path in sorted(path for pattern in OURS for path in REPORT.glob(pattern)):
        desk.page.goto(path.as_uri())
        name = "-".join(path.relative_to(REPORT).with_suffix("").parts)
        desk.shot(name, desk.page.locator("body"))
        found[name] = findings(desk.page, "html")
    desk.page.emulate_media(color_scheme="null")
    assert {name: what for name, what in found.items() if what} == {}
