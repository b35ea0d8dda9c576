"""The quiz: each kind of question answered by mouse and by keyboard alone, and what was answered is there again after a restart."""

import json

import pytest
from playwright.sync_api import expect

from labkit.quiz.bank import questions
from tests.browser.accessibility import findings
from tools.browsing import ROOT

pytestmark = pytest.mark.real
KINDS = {question.kind: question for question in reversed(questions().values())}  # the first one of each
KEY = json.loads((ROOT / "grading" / "quiz_key.json").read_text())
LAB = 'from labkit import Lab\nlab = Lab("00_start_here", learner="ada", lane="cpu")'
PLACES = {kind: place for place, kind in enumerate(KINDS, 1)}  # the cells, after the one that makes the lab


@pytest.fixture(scope="module")
def opened(shared):
    shared.open_cells("quiz", LAB, *(f'lab.quiz("{question.id}")' for question in KINDS.values()))
    shared.run_all()


@pytest.fixture
def quiz(desk, opened):
    return desk


class Asked:
    """A question on the page."""

    def __init__(self, desk, kind):
        self.desk, self.question = desk, KINDS[kind]
        self.output = desk.output(PLACES[kind])
        self.right = KEY[self.question.id]
        self.heard = self.output.locator("text=/^[✓✗] /")

    def option(self, role, key):
        return self.output.get_by_role(role, name=self.question.options[key].replace("`", ""))

    def key_on(self, control, key):
        """Reach a control by keyboard and press a key there."""
        self.desk.tab_to(control)
        self.desk.page.keyboard.press(key)

    def record(self):
        """Reach the button by keyboard and press it."""
        self.key_on(self.output.get_by_role("button", name="Record my answer"), "Enter")

    def recorded(self):
        path = self.desk.server.folder / "quiz" / "evidence" / f"{self.question.record_id}.json"
        return json.loads(path.read_text())["facts"]["chosen"]

    def is_right(self):
        expect(self.heard).to_contain_text("✓ Right.")
        assert self.recorded() == self.right
        assert self.desk.ask("window.jupyterapp.shell.currentWidget.content.widgets.length") == len(KINDS) + 1  # no key went to JupyterLab
        self.desk.shot("right", self.output)


def test_choice(quiz):
    asked = Asked(quiz, "choice")
    wrong = next(key for key in asked.question.options if [key] != asked.right)
    asked.option("radio", wrong).click()
    asked.output.get_by_role("button", name="Record my answer").click()
    expect(asked.heard).to_contain_text("✗ Not right.")
    assert asked.recorded() == [wrong]
    quiz.shot("wrong", asked.output)
    asked.key_on(asked.option("radio", asked.right[0]), "Space")
    expect(asked.option("radio", wrong)).not_to_be_checked()
    asked.record()
    asked.is_right()


def test_answers(quiz):
    asked = Asked(quiz, "answers")
    asked.option("checkbox", asked.right[0]).click()
    asked.output.get_by_role("button", name="Record my answer").click()
    expect(asked.heard).to_contain_text("✗ Not right.")
    for key in asked.right[1:]:
        asked.key_on(asked.option("checkbox", key), "Space")
    asked.record()
    asked.is_right()


def test_number(quiz):
    asked = Asked(quiz, "number")
    field = asked.output.get_by_role("textbox")
    quiz.tab_to(field)
    quiz.page.keyboard.type("many")
    asked.record()
    expect(asked.output.locator("[role=alert]")).to_contain_text("number")
    quiz.shot("no-number", asked.output)
    quiz.tab_to(field)
    quiz.page.keyboard.press("Control+a")
    quiz.page.keyboard.type(str(asked.right))
    asked.record()
    asked.is_right()


def test_order(quiz):
    """Bring each line up to its place, the first one first."""
    asked = Asked(quiz, "order")
    lines = asked.output.get_by_role("radio")
    for place, key in enumerate(asked.right):
        words = asked.question.options[key].replace("`", "")
        asked.key_on(asked.option("radio", key), "Space")
        for at in range(shown(lines).index(words), place, -1):
            asked.key_on(asked.output.get_by_role("button", name="Move up"), "Enter")
            expect(asked.output.get_by_role("alert")).to_contain_text(f"line {at} of")
    asked.record()
    asked.is_right()


def shown(lines):
    """What stands in each line, without its letter."""
    return [text.strip().partition(") ")[2] for text in lines.evaluate_all("all => all.map(one => one.closest('label').innerText)")]


def test_answers_are_there_again_after_a_restart(quiz):
    """The kernel has forgotten everything; the records have not."""
    said = {kind: Asked(quiz, kind).heard.inner_text() for kind in KINDS}
    quiz.go_to(0)
    quiz.restart()
    quiz.run_all()
    for kind, words in said.items():
        asked = Asked(quiz, kind)
        expect(asked.heard).to_have_text(words)
        quiz.shot(kind, asked.output)
    expect(Asked(quiz, "choice").option("radio", KEY[KINDS["choice"].id][0])).to_be_checked()
    expect(Asked(quiz, "number").output.get_by_role("textbox")).to_have_value(str(KEY[KINDS["number"].id]))
    assert findings(quiz.page) == []
    with quiz.dark():
        quiz.output(PLACES["order"])
        quiz.shot("dark")
        assert findings(quiz.page) == []
