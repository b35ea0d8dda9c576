"""Authors write text; the builder makes notebooks, the same ones every time, and says what is wrong with a lesson."""

import json
import re
from pathlib import Path

import pytest

from grading.catalogue import load_catalogue
from grading.registry import learner_line, load_checks
from labkit.checks import visible_check
from labkit.progress import course
from tests.lessons.conftest import ROOT
from tools import build
from tools.lesson import BadLesson, lessons, read
from tools.lint import lint

HEADER = """---
jupytext:
  text_representation: {extension: .md, format_name: myst}
kernelspec: {display_name: Python 3, language: python, name: python3}
course:
  minutes: {cpu: 1, cuda: 1}
  gigabytes: {cpu: 1, cuda: 1}
---
"""
HINTS = "".join(f"<details><summary>Hint {n}</summary>Try.</details>\n" for n in (1, 2, 3))
LESSON = f"""{HEADER}
# A lesson

```{{code-cell}}
:tags: [parameters]

LEARNER = ""
```

## An exercise

```{{code-cell}}
:answer: start-what_is_graded

X = ...
### BEGIN SOLUTION
X = 42
### END SOLUTION
```

{HINTS}

```{{code-cell}}
:grade: start-what_is_graded
:points: 2

lab.check("start-what_is_graded")
```
"""

QUIZ = """
- id: layers
  kind: choice
  question: How many `layers` has the model?
  options: {few: A handful of layers, many: Thirty layers, none: No layers at all}
  answer: many
  why:
    right: Thirty layers are what its configuration says.
    few: A handful is what a toy model of a test has.
    none: A model without layers would hand its input on.
"""
ASKED = """
## A question

```{code-cell}
:quiz: layers
```
"""
BY_QUIZ = """
## Knowledge check

```{code-cell}
:grade: exercises-knowledge_check
:points: 4
:graded-by: quiz

lab.check("exercises-knowledge_check")
```
"""
BY_HAND = """
## Reflection

+++ {"manual": "exercises-reflection", "points": 2}

**Write in place of the line below.**

### BEGIN SOLUTION
A model answer that nobody else should read.
### END SOLUTION

+++

The end.
"""


@pytest.fixture
def lesson(tmp_path):
    """Write a lesson's text and read it."""

    def write(text=LESSON):
        path = tmp_path / "00_a_lesson.md"
        path.with_name("quiz.yaml").write_text(QUIZ)
        path.write_text(text)
        return read(path)

    return write


def test_an_exercise_gets_nbgraders_metadata_and_stable_ids(lesson):
    cells = lesson().notebook.cells
    answer, grade = (c for c in cells if "nbgrader" in c.metadata)
    assert answer.metadata.nbgrader == {
        "schema_version": 3, "grade_id": "answer-start-what_is_graded", "grade": False, "solution": True, "locked": False, "task": False,
    }  # fmt: skip
    assert (grade.metadata.nbgrader.grade_id, grade.metadata.nbgrader.points, grade.metadata.nbgrader.locked) == (
        "start-what_is_graded",
        2.0,
        True,
    )
    assert [c.id for c in cells] == [c.id for c in lesson().notebook.cells]
    assert len({c.id for c in cells}) == len(cells)


def test_a_grade_cell_has_at_most_four_hidden_lines_ending_in_the_award(lesson):
    source = lesson().notebook.cells[-1].source.splitlines()
    hidden = source[source.index("### BEGIN HIDDEN TESTS") :]
    assert len(hidden) <= 4
    assert hidden[-2] == 'award("start-what_is_graded", 2.0)'


def test_a_good_lesson_has_no_findings(lesson):
    assert lint(lesson()) == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("## An exercise", "# Another title", "one H1"),
        ("## An exercise", "### An exercise", "Do not skip a level"),
        ("## An exercise", "## An exercise\n\n" + "word " * 200, "without anything to do"),
        ("## An exercise", "## An exercise\n\n![](plot.png)", "alternative text"),
        ("## An exercise", '## An exercise\n\n<img src="x.png">', "without alt"),
        ("X = 42", "X = = 42", "invalid syntax"),
        ("### END SOLUTION", "", "END SOLUTION"),
        ("<summary>Hint 3</summary>", "<summary>More</summary>", "2 hints"),
        ('lab.check("start-what_is_graded")', "print()", "must start with lab.check"),
        (":tags: [parameters]\n\n", "", "tagged `parameters`"),
    ],
)
def test_a_broken_rule_is_named_with_file_and_advice(lesson, old, new, words):
    findings = lint(lesson(LESSON.replace(old, new)))
    assert any(words in finding and finding.startswith("lessons/00_a_lesson.md: ") for finding in findings), findings


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (":points: 2", "", "no points"),
        (":points: 2", ":points: -1", "no points"),
        (":answer: start-what_is_graded", "", "no solution cell before it"),
        ("# A lesson", "A lesson", "H1"),
        ("course:", "other:", "minutes"),
    ],
)
def test_a_lesson_that_cannot_be_built_says_why(lesson, old, new, words):
    with pytest.raises(BadLesson, match=words):
        lesson(LESSON.replace(old, new, 1))


def by_id(lesson, grade_id):
    return next(c for c in lesson.notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == grade_id)


def test_a_question_becomes_a_cell_that_asks_and_the_solved_one_answers(lesson):
    made = lesson(LESSON + ASKED)
    cell = by_id(made, "answer-quiz-layers")
    assert cell.source.splitlines() == [
        "# How many `layers` has the model?",
        'lab.quiz("layers")',
        "### BEGIN SOLUTION",
        'lab.quiz("layers", answer="Thirty layers")',
        "### END SOLUTION",
    ]
    assert (cell.metadata.nbgrader.solution, cell.metadata.nbgrader.grade) == (True, False)
    assert [(q.id, q.heading) for q in made.questions] == [("layers", "A question")]
    assert lint(made) == []


def test_the_check_of_the_quiz_needs_neither_a_solution_cell_nor_hints(lesson):
    made = lesson(LESSON + ASKED + BY_QUIZ)
    assert lint(made) == []
    assert [(e.grade_id, e.title, e.points, e.graded) for e in made.exercises][1:] == [
        ("exercises-knowledge_check", "Knowledge check", 4.0, "quiz")
    ]
    assert by_id(made, "exercises-knowledge_check").source.endswith('award("exercises-knowledge_check", 4.0)\n### END HIDDEN TESTS')


def test_an_answer_that_a_person_grades_is_a_text_cell_that_is_both(lesson):
    made = lesson(LESSON + BY_HAND)
    cell = by_id(made, "exercises-reflection")
    assert cell.cell_type == "markdown"
    assert cell.metadata.nbgrader == {
        "schema_version": 3, "grade_id": "exercises-reflection", "grade": True, "solution": True, "locked": False, "task": False, "points": 2.0,
    }  # fmt: skip
    assert (made.exercises[-1].title, made.exercises[-1].graded) == ("Reflection", "hand")
    assert lint(made) == []
    assert build._points(made)[-1] == {"grade_id": "exercises-reflection", "points": 2.0, "manual": True}
    assert "manual" not in build._points(made)[0]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (":quiz: layers", ":quiz: layer", "id of a question"),
        (":quiz: layers\n", ":quiz: layers\n\nprint()\n", "without a line of code"),
        (', "points": 2}', "}", "no points"),
        (
            '\n+++ {"manual": "exercises-reflection", "points": 2}\n',
            "\n```{code-cell}\n:manual: exercises-reflection\n\nx\n```\n",
            "begin a text cell",
        ),
        (":graded-by: quiz\n", "", "no solution cell before it"),
    ],
)
def test_a_question_or_a_text_that_cannot_be_built_says_why(lesson, old, new, words):
    with pytest.raises(BadLesson, match=words):
        lesson((LESSON + ASKED + BY_QUIZ + BY_HAND).replace(old, new, 1))


def test_a_text_to_be_graded_by_hand_needs_its_model_answer_between_marks(lesson):
    findings = lint(lesson(LESSON + BY_HAND.replace("### BEGIN SOLUTION\n", "").replace("### END SOLUTION\n", "")))
    assert any("0 BEGIN and 0 END SOLUTION" in finding for finding in findings)


def test_marks_and_comments_in_code_are_no_headings(lesson):
    made = lesson(LESSON + BY_HAND.replace("**Write", "```bash\n# not a heading\n```\n\n**Write"))
    assert lint(made) == []
    assert made.exercises[-1].title == "Reflection"


@pytest.mark.real
def test_learners_get_the_question_and_neither_its_answer_nor_the_rubric(lesson, tmp_path):
    lesson(LESSON + ASKED + BY_QUIZ + BY_HAND)
    build.build(tmp_path / "built", tmp_path)
    made = json.loads((tmp_path / "built/notebooks/00_a_lesson.ipynb").read_text())
    sources = {c["id"]: "".join(c["source"]) for c in made["cells"]}
    assert sources["answer-quiz-layers"] == '# How many `layers` has the model?\nlab.quiz("layers")'
    assert sources["exercises-reflection"] == "**Write in place of the line below.**\n\nYOUR ANSWER HERE"
    assert "Thirty" not in json.dumps(made) and "nobody else" not in json.dumps(made)
    assert json.loads((tmp_path / "built/grading/quiz_key.json").read_text()) == {"layers": ["many"]}
    asked = json.loads((tmp_path / "built/labkit/quiz/bank.json").read_text())["questions"]
    assert [(q["id"], q["number"], q["lesson"], q["heading"]) for q in asked] == [("layers", 1, "00_a_lesson", "A question")]
    lessons = json.loads((tmp_path / "built/labkit/course.json").read_text())["lessons"]
    assert lessons[0]["questions"] == ["layers"]
    assert lessons[0]["exercises"][-1] == {"grade_id": "exercises-reflection", "title": "Reflection", "points": 2.0, "manual": True}


def test_the_committed_notebooks_are_what_the_lessons_build(tmp_path):
    built = build.build(tmp_path)
    again = tmp_path / "again"
    build.build(again)
    for name in built:
        assert (tmp_path / name).read_bytes() == (again / name).read_bytes(), f"{name}: two builds differ"
        assert (ROOT / name).read_bytes() == (tmp_path / name).read_bytes(), f"{name}: run `make notebooks`"


def test_drift_names_the_file_and_the_command(monkeypatch, tmp_path):
    real = build.build

    def changed(target):
        names = real(target)
        path = target / "notebooks/00_start_here.ipynb"
        path.write_text(path.read_text().replace("real tools", "other tools"))
        return names

    monkeypatch.setattr(build, "build", changed)
    assert build.drift() == ["notebooks/00_start_here.ipynb is not what lessons/ builds. Run: make notebooks"]


def code_cells(folder: Path):
    for path in sorted(folder.glob("*.ipynb")):
        for cell in json.loads(path.read_text())["cells"]:
            if cell["cell_type"] == "code" or "nbgrader" in cell["metadata"]:
                yield path, "".join(cell["source"])


def test_no_solution_and_no_hidden_line_reaches_learners(tmp_path):
    build.build(tmp_path)
    secret = re.compile(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", re.DOTALL)
    lines = {
        line.strip()
        for le in lessons(ROOT / "lessons")
        for c in le.notebook.cells
        for block in secret.findall(c.source)
        for line in block.splitlines()
    }
    lines = {line for line in lines if len(line) > 12}
    assert len(lines) > 15
    for folder in (tmp_path / "release" / "day2", tmp_path / "notebooks", ROOT / "notebooks"):
        cells = list(code_cells(folder))
        assert len(cells) > 50
        for path, source in cells:
            for mark in ("BEGIN SOLUTION", "HIDDEN TESTS", "award(", "from grading"):
                assert mark not in source, f"{path}: {mark}"
            assert not lines & {line.strip() for line in source.splitlines()}, path


def test_every_exercise_has_a_visible_and_a_hidden_check_with_a_line_for_the_learner():
    checks = load_checks()
    for lesson in course()["lessons"]:
        for exercise in lesson["exercises"]:
            if not exercise.get("manual"):
                assert visible_check(exercise["grade_id"]).__doc__
                assert learner_line(checks[exercise["grade_id"]])
    listed = {e["grade_id"] for lesson in course()["lessons"] for e in lesson["exercises"] if not e.get("manual")}
    assert set(checks) == listed, "a check without an exercise, or the other way round"


def test_the_catalogue_and_the_plan_of_points_agree():
    catalogue = load_catalogue()
    points = {name: sum(e.points for e in exercises) for name, exercises in catalogue.notebooks.items()}
    plan = dict(re.findall(r"^\| `(\d\d_\w+)` \| (\d+) \|", (ROOT / "docs/decisions/0002-points-and-checks.md").read_text(), re.MULTILINE))
    assert sum(map(int, plan.values())) == 100
    assert points == {name: float(plan[name]) for name in points}


def test_every_lesson_says_what_it_is_for():
    for lesson in course()["lessons"]:
        text = (ROOT / f"lessons/design/{lesson['name'][:2]}.md").read_text()
        for heading in ("## Goal", "## Prerequisites", "## Evidence", "## Points"):
            assert heading in text, lesson["name"]


def test_building_never_writes_over_a_notebook_that_somebody_works_in(tmp_path):
    (tmp_path / "notebooks").mkdir()
    mine = tmp_path / "notebooks" / "00_start_here.ipynb"
    mine.write_text(json.dumps({"cells": [{"cell_type": "code", "execution_count": 3, "outputs": [], "source": "X = 1"}]}))
    before = mine.read_bytes()
    with pytest.raises(BadLesson, match=r"00_start_here\.ipynb .* was changed since it was built"):
        build.build(tmp_path)
    assert mine.read_bytes() == before


def test_a_build_may_be_built_over_and_a_solution_typed_since_may_not(tmp_path):
    build.build(tmp_path)
    build.build(tmp_path)
    path = tmp_path / "notebooks" / "01_environment.ipynb"
    path.write_text(path.read_text().replace("# YOUR CODE HERE", "TORCH = 5"))
    with pytest.raises(BadLesson, match="01_environment"):
        build.build(tmp_path)
