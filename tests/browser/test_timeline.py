"""Lesson 05's timeline on recorded evidence: its controls by keyboard and by mouse, its plots on light and dark pages."""

import base64
import shutil

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import findings
from tools.browsing import ROOT

pytestmark = pytest.mark.real
CELLS = (
    """
from labkit import Lab
from labkit.profile import Profiling, timeline, zoom
lab = Lab("05_nsight_systems", learner="reference", lane="cpu")
profiling = Profiling(lab)
mine, gpu = profiling.own(), profiling.gpu()
""",
    'zoom.explore(mine.trace, lab.word("profile label"))',
    "timeline.plot_step(gpu.trace, gpu.label, 5)",
    "timeline.plot_wait(gpu.trace, gpu.label, 5, 6)",
)
EXPLORER, GPU_STEP, WAIT = 1, 2, 3
# The mean of a picture's pixels, by what the browser draws: the filter that turns a plot over is part of it.
LIGHTNESS = """async (source) => { const picture = new Image(); picture.src = source; await picture.decode();
    const canvas = new OffscreenCanvas(64, 64), brush = canvas.getContext('2d'); brush.drawImage(picture, 0, 0, 64, 64);
    const data = brush.getImageData(0, 0, 64, 64).data; return data.reduce((sum, value) => sum + value, 0) / data.length }"""


@pytest.fixture(scope="module")
def opened(shared):
    """A notebook of the lesson's cells that need no engine, beside the evidence of a real run."""
    shutil.copytree(ROOT / "recordings" / "cpu-reference" / "evidence", shared.server.folder / "timeline" / "evidence")
    shared.open_cells("timeline", *CELLS)
    shared.run_all()
    assert [output for output in shared.outputs() if output["output_type"] == "error"] == []


@pytest.fixture
def lesson(desk, opened):
    return desk


def readout(explorer, slider):
    """What stands beside a slider: 0 is the step, 1 where the window begins, 2 its length."""
    return explorer.locator(".widget-readout").nth(slider)


def shown(explorer):
    """What the picture says it shows."""
    return explorer.locator("img.labkit-plot").get_attribute("alt")


def test_the_timeline_works_by_keyboard(lesson):
    explorer, keys = lesson.output(EXPLORER), lesson.page.keyboard
    label = readout(explorer, 0).inner_text().split()[0]
    expect(readout(explorer, 0)).to_have_text(f"{label} 1")
    handles, picture = explorer.locator(".noUi-handle"), explorer.locator("img.labkit-plot")
    first, whole = shown(explorer), float(readout(explorer, 2).inner_text())
    lesson.go_to(EXPLORER)

    lesson.tab_to(handles.nth(0))
    keys.press("ArrowRight")
    expect(readout(explorer, 0)).to_have_text(f"{label} 2")
    expect(picture).not_to_have_attribute("alt", first)
    second = shown(explorer)

    lesson.tab_to(handles.nth(2))
    for _ in range(3):
        keys.press("PageDown")
    expect(picture).not_to_have_attribute("alt", second)
    assert float(readout(explorer, 2).inner_text()) < whole
    assert "part of" in shown(explorer)
    lesson.shot("part", explorer)

    lesson.tab_to(explorer.get_by_role("button", name="Whole step"))
    keys.press("Enter")
    expect(picture).to_have_attribute("alt", second)
    assert lesson.ask("window.jupyterapp.shell.currentWidget.content.widgets.length") == len(CELLS)  # no key went to JupyterLab


def test_the_timeline_works_by_mouse(lesson):
    explorer = lesson.output(EXPLORER)
    picture, before = explorer.locator("img.labkit-plot"), shown(explorer)
    explorer.locator(".noUi-base").nth(1).click(position={"x": 120, "y": 2})  # into the middle of "from"
    expect(picture).not_to_have_attribute("alt", before)
    assert float(readout(explorer, 1).inner_text()) > 0
    explorer.get_by_role("button", name="Whole step").click()
    expect(picture).to_have_attribute("alt", before)


def test_plots_are_readable_on_light_and_dark_pages(lesson):
    """A dark page gets a dark picture: as the browser draws it, not as the file is."""
    for number, name in ((EXPLORER, "explorer"), (GPU_STEP, "gpu"), (WAIT, "wait")):
        picture = lesson.output(number).locator("img.labkit-plot")
        assert lightness(lesson, lesson.shot(f"{name}-light", picture)) > 200
        assert picture.evaluate("p => p.getBoundingClientRect().right <= p.closest('.jp-OutputArea').getBoundingClientRect().right"), (
            "cut off"
        )
    assert findings(lesson.page) == []
    with lesson.dark():
        for number, name in ((EXPLORER, "explorer"), (GPU_STEP, "gpu"), (WAIT, "wait")):
            picture = lesson.output(number).locator("img.labkit-plot")
            assert lightness(lesson, lesson.shot(f"{name}-dark", picture)) < 120  # alpha counts as white
        lesson.output(EXPLORER)
        lesson.shot("page-dark")
        assert findings(lesson.page) == []


def lightness(desk, shot):
    return desk.page.evaluate(LIGHTNESS, f"data:image/png;base64,{base64.b64encode(shot.read_bytes()).decode()}")
