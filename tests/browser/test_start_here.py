"""The first lesson by keyboard alone: run it, filter the doctor's table, solve an exercise, see the progress, restart."""

import json

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import findings
from tools.browsing import ROOT

pytestmark = pytest.mark.real
NOTEBOOK = "00_start_here"
CELLS = ["".join(cell["source"]) for cell in json.loads((ROOT / "notebooks" / f"{NOTEBOOK}.ipynb").read_text())["cells"]]


def cell_with(text):
    """The number of the cell that holds this text."""
    return next(number for number, source in enumerate(CELLS) if text in source)


DOCTOR, QUIZ, CHECK, PROGRESS = map(cell_with, ("lab.doctor()", "TRUE = ...", 'lab.check("start-what_is_graded")', "lab.progress()"))


@pytest.fixture(scope="module")
def opened(shared):
    shared.open(f"notebooks/{NOTEBOOK}.ipynb")


@pytest.fixture
def lesson(desk, opened):
    return desk


def test_the_whole_lesson_runs_by_keyboard(lesson):
    """Unsolved as it is: no cell fails, and everything in it can be read by everyone."""
    lesson.run_all()
    assert [output for output in lesson.outputs() if output["output_type"] == "error" or output.get("name") == "stderr"] == []
    assert lesson.dialogs() == []
    assert findings(lesson.page) == []
    with lesson.dark():
        lesson.output(PROGRESS)
        lesson.shot("dark")
        assert findings(lesson.page) == []


def test_the_doctor_works_by_keyboard(lesson):
    output = lesson.run(DOCTOR)
    rows = output.locator(".widget-html tbody tr")
    ok, everything = rows.filter(has_text="✓ ok"), rows.count()
    assert 0 < ok.count() < everything
    only, again = output.locator("input[type=checkbox]"), output.get_by_role("button", name="Look again")
    lesson.shot("all")

    lesson.tab_to(only)
    lesson.page.keyboard.press("Space")
    expect(ok).to_have_count(0)
    assert 0 < rows.count() < everything
    lesson.shot("filtered")

    record = lesson.server.folder / "notebooks" / "evidence" / "start-doctor.json"
    before = record.stat().st_mtime_ns
    lesson.tab_to(again)
    lesson.page.keyboard.press("Enter")
    expect(output.get_by_text("looked at")).to_be_visible()
    assert record.stat().st_mtime_ns > before
    expect(ok).to_have_count(0)  # what was chosen stays chosen

    lesson.tab_to(only)
    lesson.page.keyboard.press("Space")
    expect(rows).to_have_count(everything)
    lesson.shot("again")


def test_progress_counts_what_is_solved_and_survives_a_restart(lesson):
    nothing = points(lesson.run(PROGRESS))
    lesson.add_line(QUIZ, 'lab.answer("start-grading-quiz", {"b", "d", "f"})')
    lesson.run(QUIZ)
    expect(lesson.run(CHECK)).to_contain_text("all it looks at is in order")
    lesson.shot("checked", lesson.output(CHECK))
    output = lesson.run(PROGRESS)
    assert points(output) == nothing + 2
    lesson.shot("progress")

    states = output.locator(".widget-html table").last.locator("tbody tr td:first-child")
    lesson.tab_to(output.get_by_role("radio", name="open ones"))
    lesson.page.keyboard.press("Space")
    expect(states.filter(has_text="✓")).to_have_count(0)
    lesson.shot("open-ones")
    output.get_by_role("radio", name="all").click()
    expect(states.filter(has_text="✓")).to_have_count(1)

    lesson.restart()
    for number in (1, 2):
        lesson.run(number)
    assert points(lesson.run(PROGRESS)) == nothing + 2


def points(output):
    """The points that the first line of the progress names."""
    line = output.locator("text=/\\d+(\\.\\d+)? of \\d+ points/").first.inner_text()
    return float(line.split(" of ")[0].split()[-1])
