"""nbgrader inside JupyterLab: a learner presses Validate, an instructor grades a reflection in formgrader. Settings: nbgrader_config.py in the server's folder."""

import nbformat
import pytest
from nbformat.v4 import new_markdown_cell, new_notebook
from playwright.sync_api import expect

pytestmark = pytest.mark.real
NOTEBOOK, CELL = "06_exercises", "exercises-reflection"
REFLECTION = {"schema_version": 3, "grade_id": CELL, "grade": True, "solution": True, "task": False, "locked": False, "points": 2.0}


def test_validate_says_what_is_wrong(desk):
    """On the first lesson, unsolved: nbgrader runs it, and each check says in our words that it is not right yet."""
    desk.open("notebooks/00_start_here.ipynb")
    desk.page.get_by_role("button", name="Validate").click()
    dialog = desk.page.locator(".jp-Dialog")
    expect(dialog).to_contain_text("The following cell failed")
    desk.shot("dialog")
    for exercise in ("start-read_the_doctor", "start-read_an_exit_code", "start-what_is_graded"):
        expect(dialog).to_contain_text(f"{exercise} is not right yet.")
    assert "Traceback" not in dialog.inner_text()
    desk.page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)


@pytest.fixture
def handed_in(server):
    """A course of one notebook with one answer that a person grades, and a learner who wrote it."""
    for folder, words in (("source", "*Write here.*"), ("submitted/ada", "I expected the GPU to be busy. It was not.")):
        cells = [new_markdown_cell("# Reflect", id="title"), new_markdown_cell(words, id="answer", metadata={"nbgrader": REFLECTION})]
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}
        target = server.folder / folder / "day2" / f"{NOTEBOOK}.ipynb"
        target.parent.mkdir(parents=True)
        nbformat.write(new_notebook(cells=cells, metadata=kernel), target)
    return server.folder


def test_a_reflection_is_graded_in_formgrader(desk, handed_in):
    """By mouse through the menu, Generate and Autograde; the score by keyboard; it lands in the gradebook."""
    page = desk.page
    desk.leave()
    page.goto(desk.server.page())
    page.locator(".lm-MenuBar-item", has_text="Nbgrader").click()
    page.locator(".lm-Menu-item", has_text="Formgrader").first.click()
    frame = page.frame_locator("iframe")
    frame.locator("td.assign a").click()
    succeeds(desk, frame)
    desk.shot("generated")
    frame.locator("td.num-submissions a").click()
    frame.locator("td.autograde a").click()
    succeeds(desk, frame)
    expect(frame.locator("td.status")).to_have_text("needs manual grading")
    frame.get_by_role("link", name="Manual Grading").first.click()
    for name in ("day2", NOTEBOOK, "Submission #1"):
        frame.get_by_role("link", name=name, exact=True).click()
    score = frame.locator(f"input.score#{CELL}")
    expect(score).to_be_editable()
    desk.shot("to-grade")

    page.keyboard.press("Tab")
    desk.tab_to(score)
    page.keyboard.type("1.5")
    with page.expect_response(lambda answer: "/formgrader/api/grade/" in answer.url and answer.request.method == "PUT") as answer:
        page.keyboard.press("Tab")
    assert answer.value.ok
    desk.shot("graded")
    assert gradebook(handed_in) == (1.5, False)


def succeeds(desk, frame):
    """Wait for formgrader's dialog to say so, and leave it."""
    expect(frame.locator(".modal-title")).to_have_text("Success")
    frame.locator(".modal").get_by_role("button", name="OK").click()
    expect(frame.locator(".modal")).to_have_count(0)


def gradebook(course):
    """The score a person gave, and whether one is still asked for."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course / 'gradebook.db'}", "vllm-day2") as book:
        grade = book.find_grade(CELL, NOTEBOOK, "day2", "ada")
        return grade.manual_score, grade.needs_manual_grade
