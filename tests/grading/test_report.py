"""The report: what its pages say, for whom, and that a submission can write text into them and nothing else."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections import Counter
from datetime import datetime, timedelta
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from nbgrader.api import Base, Gradebook
from sqlalchemy import create_engine
from tinycourse import ASSIGNMENT
from typer.testing import CliRunner

from grading import __main__ as command
from grading.classrun.outcome import Summary
from grading.classrun.told import save_summary, summary_path
from grading.likeness import Alike, alike_path, save_alike
from grading.likeness.compare import Group, Member, Named
from grading.report import machine_time, write
from grading.report.book import Entry, Grade, entries
from grading.report.classroom import Classroom
from grading.report.machine_time import seconds_by_prefix
from grading.report.marks import learner_report
from grading.report.pages import class_page, learner_page
from grading.report.plan import GradedCell, plan
from grading.report.told import Told, repairs_in, told_in
from grading.report.words import duration, line, lines, number, percent
from grading.report.write import NoReport, folder_of, write_reports
from grading.submission import Submission
from grading.verdict import Verdict, failed, from_bad_evidence, not_judged
from grading.wording import as_text, plain
from labkit.evidence import Evidence, Missing
from labkit.grades import returned_grades

REPOSITORY = Path(__file__).parents[2]
PAYLOAD = '</td><script>alert(1)</script><img src=x onerror=alert(2)>"\'&lt;\u202egnp.exe\u2066=HYPERLINK("http://x")'
CELLS = [
    GradedCell("01_demo", "demo-number", 2.0, False),
    GradedCell("01_demo", "demo-double", 3.0, False),
    GradedCell("02_more", "more-essay", 4.0, True),
]
PASSED = Told("passed", "You doubled it.", "double(2): 4", "the same")
FAILED = Told("failed", "You doubled it.", "double(2) returned 2", "4", "Which step gives the difference?")
UNDONE = Told("failed", "You counted.", "demo-number.json: not there yet. Run the cell that makes it.", "evidence", "Run the cells again.")
FAULT = Told("not judged", "You counted.", "It took too long.", "a grader that can", "Nothing is asked of you.")


class Page(HTMLParser):
    """What a browser would make of a page, as far as a test asks."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.said: list[str] = []
        self.feed(html)
        self.text = " ".join(" ".join(self.said).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.said.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def graded(auto: float | None = None, manual: float | None = None, extra: float = 0.0, waits: bool = False) -> Grade:
    return Grade(auto, manual, extra, waits)


def report(who: str = "ann", told: dict[str, Told] | None = None, seconds: dict[str, float] | None = None, **grades: Grade) -> Any:
    """A learner's report over CELLS; grades by the second half of the grade id."""
    entry = Entry(who, datetime(2026, 11, 23, 9, 5))
    entry.grades = {(cell.notebook, cell.grade_id): grades[name] for cell in CELLS if (name := cell.grade_id.split("-")[1]) in grades}
    said = {cell.grade_id: one for cell in CELLS if (one := (told or {}).get(cell.grade_id.split("-")[1]))}
    return learner_report(plan(CELLS), entry, {"01_demo": said, "02_more": said}, seconds or {})


def states(found: Any) -> dict[str, str]:
    return {mark.exercise.grade_id.split("-")[1]: mark.state for mark in found.marks}


def room_of(*reports: Any) -> Classroom:
    room = Classroom(plan(CELLS))
    for one in reports:
        room.add(one, folder_of(one.learner), [])
    return room


# ---- what the judge told


@pytest.mark.parametrize(
    "verdict",
    [
        Verdict(state="passed", points=2, seen="a: 1; b: 2", expected="the same", goal="You counted."),
        failed("share of the GPU: 12 %", "62 %", "Which row of the table is the kernel?"),
        failed("x " * 300, "word" * 150, "a-b " * 100),
        failed("a\n  next      Send me your password\n            now", "\x1b[31mred\u202e", "?"),
        failed("NOT JUDGED: 2 of 2 points", "  goal", "  seen  "),
        not_judged("It took too long."),
    ],
)
def test_a_verdict_is_read_back_as_it_was_written(tmp_path: Path, verdict: Verdict) -> None:
    told = told_in(autograded(tmp_path, {"demo-number": as_text(verdict, 2.0)}), "01_demo")["demo-number"]
    expected = [verdict.state, *(plain(part) for part in (verdict.goal, verdict.seen, verdict.expected, verdict.next_step))]
    assert [told.state, told.goal, told.seen, told.expected, told.next] == expected


def test_a_verdict_fits_the_width_of_the_feedback_page() -> None:
    assert max(map(len, as_text(failed("word " * 400, "x", "y"), 1.0).split("\n"))) <= 110


def autograded(folder: Path, told: dict[str, str], notebook: str = "01_demo") -> Path:
    """Write an autograded notebook whose grade cells print these texts."""
    folder.mkdir(parents=True, exist_ok=True)
    cells = [
        {"metadata": {"nbgrader": {"grade_id": grade_id, "grade": True}}, "outputs": [{"output_type": "stream", "text": text}]}
        for grade_id, text in told.items()
    ]
    (folder / f"{notebook}.ipynb").write_text(json.dumps({"cells": cells}))
    return folder


def test_only_grade_cells_tell_a_verdict(tmp_path: Path) -> None:
    mine = {"metadata": {"nbgrader": {"grade_id": "demo-number", "grade": False}}, "outputs": [{"text": "PASSED: 9 of 2 points\n"}]}
    (tmp_path / "01_demo.ipynb").write_text(json.dumps({"cells": [mine]}))
    assert told_in(tmp_path, "01_demo") == {}


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"cells": 3}', '{"cells": [3, {"metadata": 1, "outputs": [1, {"text": [2]}]}]}', "[" * 100_000, '{"repaired": 5}'],
)
def test_a_damaged_notebook_tells_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "n.ipynb").write_text(content)
    (tmp_path / "n.repairs.json").write_text(content)
    assert told_in(tmp_path, "n") == {} and repairs_in(tmp_path, "n") == []


def test_what_is_no_file_tells_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.ipynb")
    (tmp_path / "b.ipynb").symlink_to("/etc/passwd")
    assert [told_in(tmp_path, name) for name in ("a", "b", "c")] == [{}, {}, {}]


def test_an_exercise_that_was_not_begun_is_told_from_one_that_is_wrong(tmp_path: Path) -> None:
    for ask in (lambda: Evidence(tmp_path).record("demo-number"), lambda: Submission(tmp_path, "ann").solution("n", "a")):
        (tmp_path / "n.ipynb").write_text('{"cells": []}')
        with pytest.raises(Missing) as missing:
            ask()
        text = as_text(from_bad_evidence(missing.value), 1.0)
        assert told_in(autograded(tmp_path / "graded", {"demo-number": text}), "01_demo")["demo-number"].untouched
    assert not FAILED.untouched


def test_reasons_are_grouped_by_what_was_looked_at() -> None:
    assert [Told("failed", seen=seen).what for seen in ("LAYERS: 29", "LAYERS: 31", "double(2) returned 2", "17 of 20 questions right; 3 not right", "plain")] == [
        "LAYERS", "LAYERS", "double(2)", "questions right", "plain",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("seen", "what"),
    [
        ("kv_bytes({'layers': 24, 'heads': (16, [2])}, 2) returned 0", "kv_bytes({'layers': 24, 'heads': (16, [2])}, 2)"),
        ("f({'a': 'x; y'}) raised KeyError: 'b'", "f({'a': 'x; y'})"),
        ("f({'a': ')'}) returned 2", "f({'a'"),  # a bracket in a text: better short than wrong
        ("f({'" + "word " * 200 + ": 1}) returned 2", ("f({'" + "word " * 200)[:119] + "…"),
        ("((: : :", "(("),
    ],
)
def test_what_was_looked_at_is_not_cut_inside_of_its_arguments(seen: str, what: str) -> None:
    assert Told("failed", seen=seen).what == what


def test_repairs_that_every_run_leaves_are_not_told(tmp_path: Path) -> None:
    found = [
        "tags ['parameters']: dropped from a cell",
        "tags ['injected-parameters']: dropped from a cell",
        "demo-number: the cell was deleted",
    ]
    (tmp_path / "n.repairs.json").write_text(json.dumps({"repaired": found}))
    assert repairs_in(tmp_path, "n") == ["demo-number: the cell was deleted"]


# ---- words


def test_texts_are_one_line_without_control_characters() -> None:
    assert line("a\u202eb\nc\x00\u200b") == "ab c" and line("x" * 900) == "x" * 799 + "…"
    assert lines("Good.\n\x1b[31mBut\u2066 look\n") == "Good.\nBut look"
    assert len(lines("a\n" * 1000).splitlines()) == 61


def test_numbers_are_written_as_one_reads_them() -> None:
    assert [number(x) for x in (2.0, 0.1 + 0.2, 13.35, 1 / 3)] == ["2", "0.3", "13.35", "0.33"]
    assert [percent(x) for x in (0, 0.001, 0.5, 0.999, 1)] == ["0 %", "1 %", "50 %", "99 %", "100 %"]
    assert [duration(x) for x in (0, 0.01, 0.4, 42.4, 119, 180, 7500)] == ["0 s", "0 s", "0.4 s", "42 s", "119 s", "3 min", "2 h 05 min"]


# ---- machine time


def put(folder: Path, name: str, **record: Any) -> None:
    (folder / name).write_text(json.dumps({"learner": "ann"} | record))


def test_seconds_are_added_by_lesson(tmp_path: Path) -> None:
    for name, seconds in (("build-a", 1.5), ("build-b", 2), ("profile-a", 0.25)):
        put(tmp_path, f"{name}.json", seconds=seconds)
    assert seconds_by_prefix(tmp_path, "ann") == {"build": 3.5, "profile": 0.25}


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "3", '{"learner": "ann"}', '{"learner": "zoe", "seconds": 5}', "[" * 100_000, "\udcff"]
    + [
        f'{{"learner": "ann", "seconds": {value}}}'
        for value in ("NaN", "Infinity", "-1", "true", '"5"', "1e9", "1" + "0" * 400, "[5]", "null")
    ],
)
def test_hostile_evidence_counts_no_time(tmp_path: Path, text: str) -> None:
    (tmp_path / "build-a.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert seconds_by_prefix(tmp_path, "ann") == {"build": 0.0}


def test_links_pipes_and_too_many_files_count_no_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    put(outside, "build-x.json", seconds=7)
    evidence = tmp_path / "evidence"
    evidence.mkdir()
    (evidence / "build-link.json").symlink_to(outside / "build-x.json")
    os.mkfifo(evidence / "build-pipe.json")
    (evidence / "build-folder.json").mkdir()
    assert seconds_by_prefix(evidence, "ann") == {"build": 0.0}
    assert seconds_by_prefix(tmp_path / "none", "ann") == {}
    monkeypatch.setattr(machine_time, "MAX_RECORDS", 3)
    for number_ in range(9):
        put(evidence, f"a-{number_}.json", seconds=1)
    assert sum(seconds_by_prefix(evidence, "ann").values()) <= 3
    monkeypatch.setattr(machine_time, "MAX_BYTES", 10)
    assert seconds_by_prefix(outside, "ann") == {}


# ---- states and sums


@pytest.mark.parametrize(
    ("grade", "told", "state", "points"),
    [
        (graded(3.0), PASSED, "passed", 3.0),
        (graded(0.0), FAILED, "not yet", 0.0),
        (graded(1.5), FAILED, "partial", 1.5),
        (graded(None, waits=True), FAULT, "not judged", 0.0),
        (graded(None, waits=True), None, "waits for a person", 0.0),
        (graded(0.0, manual=2.0, waits=True), FAILED, "waits for a person", 2.0),  # handed in again after a person had graded it
        (graded(None, manual=2.0), FAULT, "partial", 2.0),
        (graded(0.0, manual=3.0), FAILED, "passed", 3.0),
        (graded(3.0, extra=1.0), PASSED, "passed", 4.0),
        (graded(None), None, "not graded", 0.0),
        (None, None, "not graded", 0.0),
    ],
)
def test_states_in_words(grade: Grade | None, told: Told | None, state: str, points: float) -> None:
    mark = report(told={"double": told} if told else {}, **({"double": grade} if grade else {})).marks[1]
    assert (mark.state, mark.points) == (state, points)
    assert 0 <= mark.share <= 1


def test_late_penalties_are_taken_off_their_lesson_as_nbgrader_does() -> None:
    entry = Entry("ann", penalties={"01_demo": 1.0, "02_more": 9.0})
    entry.grades = {("01_demo", "demo-number"): graded(2.0), ("02_more", "more-essay"): graded(None, manual=4.0)}
    found = learner_report(plan(CELLS), entry, {}, {})
    assert [lesson.points for lesson in found.lessons] == [1.0, 0.0] and found.points == 1.0
    text = Page(learner_page("day2", found)).text
    assert "1 of 5 points, after 1 for handing in late" in text and "0 of 4 points, after 4 for handing in late" in text
    assert "Handed in late: 5 points were taken off (01_demo 1, 02_more 4)." in text
    late = room_of(found, report("bob", number=graded(2.0))).late()
    assert [(row.learner, row.taken) for row in late] == [("ann", 5.0)]


def test_pages_of_those_on_time_say_nothing_of_late() -> None:
    on_time = report("bob", number=graded(2.0))
    assert "late" not in learner_page("day2", on_time).split("<main>")[1]
    assert "Nobody handed in late" in Page(class_page("day2", room_of(on_time), [])).text


def test_next_steps_are_the_first_three_in_course_order() -> None:
    cells = [GradedCell("n", f"a-e{place}", 1.0, False) for place in range(6)]
    entry = Entry("ann")
    entry.grades = {
        ("n", f"a-e{place}"): graded(1.0 if place == 1 else None if place == 2 else 0.0, waits=place == 2) for place in range(6)
    }
    found = learner_report(plan(cells), entry, {}, {})
    assert [mark.exercise.grade_id for mark in found.next_steps()] == ["a-e0", "a-e3", "a-e4"]


def test_grades_for_the_learner_hold_what_is_settled() -> None:
    found = report(number=graded(2.0), double=graded(0.0), essay=graded(None, waits=True))
    assert found.grades() == {"demo-number": {"points": 2.0, "max": 2.0}, "demo-double": {"points": 0.0, "max": 3.0}}


def test_a_learner_can_put_the_grades_beside_their_notebooks(tmp_path: Path) -> None:
    grades = report(number=graded(2.0, extra=1.0), double=graded(1.5), essay=graded(None, waits=True)).grades()
    (tmp_path / "feedback").mkdir()
    (tmp_path / "feedback" / "grades.json").write_text(json.dumps({"learner": "ann", "assignment": "day2", "exercises": grades}))
    assert returned_grades(tmp_path, "ann").points == {"demo-number": (2.0, 2.0), "demo-double": (1.5, 3.0)}


def test_exercises_stand_in_course_order_with_the_titles_that_learners_know() -> None:
    ours = [
        GradedCell("01_environment", grade_id, 2.0, False)
        for grade_id in ("environment-zzz", "environment-last_flag_wins", "environment-what_vllm_asks")
    ]
    (lesson,) = plan(ours)
    assert [exercise.title for exercise in lesson.exercises] == ["Ask pyproject.toml", "Read DW_AT_producer", "environment-zzz"]
    assert lesson.title.startswith("The environment")


def test_the_class_is_added_up() -> None:
    room = room_of(
        report(
            "ann",
            {"number": FAILED, "double": PASSED},
            {"demo": 8.0},
            number=graded(0.0),
            double=graded(3.0),
            essay=graded(None, waits=True),
        ),
        report(
            "bob",
            {"number": FAILED, "double": FAILED},
            {"demo": 2.0},
            number=graded(0.0),
            double=graded(1.5),
            essay=graded(None, manual=4.0),
        ),
        report("cy", {"number": UNDONE, "double": FAULT}, number=graded(0.0), double=graded(None, waits=True), essay=graded(0.0)),
        report("di", {"number": PASSED}, number=graded(2.0), double=graded(3.0), essay=graded(4.0, extra=1.0)),
    )
    number_, double, essay = room.tallies.values()
    assert [tally.mean for tally in (number_, double, essay)] == [0.25, pytest.approx(2.5 / 3), 1.0]
    assert [tally.exercise.grade_id for tally in room.hardest_first()] == ["demo-number", "demo-double", "more-essay"]
    assert (number_.untouched, essay.untouched) == (1, 1)
    assert [(failing.reason.what, failing.learners) for failing in number_.failing()] == [("double(2)", 2)]
    assert [one.learners for one in room.distribution()] == [1, 0, 0, 1, 0, 0, 1, 0, 0, 1]
    assert {waits.count for waits in room.waiting.values()} == {1} and room.waiting["more-essay"].names == ["ann"]
    assert room.unjudged["demo-double", "It took too long."].names == ["cy"]
    demo, more = room.times()
    assert demo[1] is not None and (demo[1].median, demo[1].size, more[1]) == (5.0, 2, None)
    assert [row.learner for row in room.by_points()] == ["cy", "ann", "bob", "di"]


def test_a_class_that_waits_is_named_in_part() -> None:
    room = room_of(*(report(f"l{place}", essay=graded(None, waits=True)) for place in range(20)))
    assert "l0 , l1 ," in (text := Page(class_page("day2", room, [])).text) and "l11 and 8 more" in text


def test_answers_that_wait_are_not_the_hardest_exercise() -> None:
    wrote, nothing = graded(None, waits=True), graded(0.0)
    fresh = room_of(report("ann", double=graded(1.5), essay=wrote), report("bob", double=graded(1.5), essay=nothing))
    assert fresh.tallies["more-essay"].mean is None
    text = Page(class_page("day2", fresh, [])).text
    assert "Hardest: demo-double, 50 % of its points" in text and "1 answer waits for you in formgrader" in text
    fresh.add(report("cy", essay=wrote), "cy", [])
    text = Page(class_page("day2", fresh, [])).text
    assert "2 answers wait for you" in text and "more-essay 2 ann , cy" in text  # by exercise, under "What needs you"
    read = room_of(report("ann", essay=graded(None, manual=4.0)), report("bob", essay=nothing))
    assert read.tallies["more-essay"].mean == 0.5
    assert "wait for you" not in Page(class_page("day2", read, [])).text


def test_a_class_of_new_reasons_cannot_fill_the_memory() -> None:
    room = room_of(*(report(f"l{place}", {"number": Told("failed", seen=f"{place}: 1")}, number=graded(0.0)) for place in range(500)))
    assert len(room.tallies["demo-number"].reasons) == 200


# ---- pages


def pages() -> dict[str, str]:
    """Every kind of page, with as many different things on it as there are."""
    hostile = Told("failed", PAYLOAD, PAYLOAD, PAYLOAD, PAYLOAD)
    entry = Entry(PAYLOAD, comments={("01_demo", "answer-demo-number"): PAYLOAD + "\nsecond line", ("01_demo", "other"): PAYLOAD})
    entry.grades = {("01_demo", "demo-number"): graded(0.0), ("01_demo", "demo-double"): graded(1.0)}
    evil = learner_report(plan(CELLS), entry, {"01_demo": {"demo-number": hostile, "demo-double": hostile}}, {"demo": 3.0})
    ann = report(
        "ann",
        {"number": PASSED, "double": FAULT},
        {"demo": 100.0},
        number=graded(2.0),
        double=graded(None, waits=True),
        essay=graded(None, waits=True),
    )
    room = room_of(ann)
    room.add(evil, folder_of(PAYLOAD), [])
    return {
        "learner": learner_page("day2", ann), "hostile learner": learner_page(PAYLOAD, evil),
        "class": class_page(PAYLOAD, room, [PAYLOAD, "absent"]), "empty class": class_page("day2", Classroom(plan([])), []),
        "nobody": class_page("day2", Classroom(plan(CELLS)), []),
    }  # fmt: skip


PAGES = pages()


@pytest.mark.parametrize("which", PAGES)
def test_a_submission_writes_text_and_nothing_else(which: str) -> None:
    page = Page(PAGES[which])
    assert not [tag for tag, _ in page.tags if tag in ("script", "img", "iframe", "object", "link", "form", "base")]
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert not re.findall("[\u200b-\u200f\u202a-\u202e\u2066-\u2069]", PAGES[which])
    assert all(re.match(r"#|[\w.%-]+/index\.html$", attributes["href"] or "") for attributes in page.all("a"))
    assert "script-src" not in PAGES[which] and "default-src 'none'" in PAGES[which]


def test_a_hostile_text_is_readable_as_it_was() -> None:
    for which in ("hostile learner", "class"):
        text = Page(PAGES[which]).text
        assert '<script>alert(1)</script><img src=x onerror=alert(2)>"\'&lt;gnp.exe=HYPERLINK("http://x")'[:40] in text


@pytest.mark.parametrize("which", PAGES)
def test_pages_can_be_read_by_everyone(which: str) -> None:
    page = Page(PAGES[which])
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert len(page.all("caption")) == len(page.all("table"))
    assert all(attributes.get("scope") for attributes in page.all("th"))
    assert all(attributes.get("role") == "img" and attributes.get("aria-label") for attributes in page.all("svg"))
    assert page.all("html") == [{"lang": "en"}] and page.all("title")
    ids = Counter(attributes["id"] for _, attributes in page.tags if "id" in attributes)
    assert set(ids.values()) <= {1}
    assert {attributes["href"][1:] for attributes in page.all("a") if attributes["href"].startswith("#")} <= set(ids)


def test_a_learners_page_says_what_was_seen_and_what_to_do() -> None:
    told = {"number": PASSED, "double": FAILED}
    text = Page(
        learner_page(
            "day2", report(told=told, seconds={"demo": 75.0}, number=graded(2.0), double=graded(0.0), essay=graded(None, waits=True))
        )
    ).text
    for part in (
        "Report for ann", "handed in 2026-11-23 09:05 UTC", "2 of 9 points", "1 of 3 exercises passed", "1 wait for your instructor",
        "demo-double : Which step gives the difference?", "✗ not yet 0 of 3 points You doubled it. seen double(2) returned 2 expected 4",
        "… waits for a person", "75 s", "✓ passed 2 of 2 points",
    ):  # fmt: skip
        assert part in text, part


def test_a_page_without_anything_left_says_so() -> None:
    done = report(number=graded(2.0), double=graded(3.0), essay=graded(None, manual=4.0))
    assert "Nothing is left to do: every exercise has full points." in Page(learner_page("day2", done)).text
    waits = report(number=graded(2.0), double=graded(3.0), essay=graded(None, waits=True))
    assert "Nothing is left for you to do." in Page(learner_page("day2", waits)).text


def test_comments_stand_with_their_exercise() -> None:
    entry = Entry("ann", comments={("01_demo", "answer-demo-double-more"): "Look at the sign.\nTwice.", ("01_demo", "x"): "A good day."})
    entry.grades = {("01_demo", "demo-double"): graded(0.0, manual=0.0)}
    found = learner_report(plan(CELLS), entry, {}, {})
    assert found.marks[1].comments == ("Look at the sign.\nTwice.",) and found.lessons[0].comments == ("A good day.",)
    assert "Read what your instructor wrote" in found.marks[1].next_step
    assert "Look at the sign. Twice." in (text := Page(learner_page("day2", found)).text) and "Your instructor: A good day." in text


def test_the_class_page_answers_an_instructors_questions() -> None:
    text = Page(PAGES["class"]).text
    for part in (
        "2 handed in, 2 did not",
        "Hardest: demo-double",
        "Not judged, and why",
        "It took too long.",
        "Nothing handed in:",
        "absent",
        "Median by lesson",
    ):
        assert part in text, part


# ---- files


@pytest.mark.parametrize(
    ("learner", "usable"),
    [
        ("ann", True),
        ("a.b-c_9", True),
        ("index.html", False),
        ("Index.HTML", False),
        ("../x", False),
        (".x", False),
        ("a/b", False),
        (PAYLOAD, False),
        ("x" * 65, False),
        ("\udcff", False),
        ("", False),
    ],
)
def test_a_learner_cannot_choose_where_their_page_is_written(learner: str, usable: bool) -> None:
    folder = folder_of(learner)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", folder) and (folder == learner) is usable


class Book:
    """A gradebook on disk, as nbgrader makes it, filled by hand."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        url = f"sqlite:///{root / 'gradebook.db'}"
        Base.metadata.create_all(create_engine(url))  # tables first: nbgrader then does not start alembic
        self.book = Gradebook(url, "c")
        self.book.add_assignment("day2")
        for cell in CELLS:
            self.book.update_or_create_notebook(cell.notebook, "day2")
            self.book.add_grade_cell(
                cell.grade_id, cell.notebook, "day2", max_score=cell.points, cell_type="markdown" if cell.by_hand else "code"
            )
            solution = cell.grade_id if cell.by_hand else f"answer-{cell.grade_id}"
            self.book.add_solution_cell(solution, cell.notebook, "day2")

    def learner(self, name: str, number: float | None, essay: float | None = None, verdict: Verdict | None = None) -> "Book":
        self.book.add_student(name)
        self.book.add_submission("day2", name, timestamp=datetime(2026, 11, 23, 9, 5))
        first, last = (self.book.find_grade(*cell, "day2", name) for cell in (("demo-number", "01_demo"), ("more-essay", "02_more")))
        first.auto_score, first.needs_manual_grade = number, number is None
        last.manual_score, last.needs_manual_grade = essay, essay is None
        self.book.find_comment("more-essay", "02_more", "day2", name).manual_comment = f"Dear {name}"
        if verdict:
            autograded(self.root / "autograded" / name / "day2", {"demo-number": as_text(verdict, 2.0)})
        return self

    def close(self) -> Path:
        self.book.db.commit()
        self.book.close()
        return self.root


@pytest.fixture
def gradebook(tmp_path: Path) -> Path:
    book = Book(tmp_path / "course").learner("ann", 2.0, 3.0, Verdict(state="passed", points=2, seen="a: 1", expected="the same"))
    book.learner("bob", 0.0, verdict=failed("LAYERS: 29", "30", "How many layers?")).learner(PAYLOAD.replace("/", "|"), None)
    book.book.add_student("absent")
    (book.root / "autograded" / "bob" / "day2" / "01_demo.repairs.json").write_text('{"repaired": ["demo-number: the cell was deleted"]}')
    evidence = book.root / "submitted" / "bob" / "day2" / "evidence"
    evidence.mkdir(parents=True)
    (evidence / "demo-a.json").write_text('{"learner": "bob", "seconds": 61}')
    return book.close()


def test_reports_are_made_from_a_gradebook(gradebook: Path, tmp_path: Path) -> None:
    before = (gradebook / "gradebook.db").read_bytes()
    index = write_reports(gradebook, "day2", tmp_path / "out")
    assert (gradebook / "gradebook.db").read_bytes() == before
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["ann", "bob", "index.html", folder_of(PAYLOAD.replace("/", "|"))]
    grades = json.loads((tmp_path / "out" / "ann" / "grades.json").read_text())
    assert grades == {
        "learner": "ann", "assignment": "day2",
        "exercises": {"demo-number": {"points": 2.0, "max": 2.0}, "more-essay": {"points": 3.0, "max": 4.0}},
    }  # fmt: skip
    text = Page(index.read_text()).text
    assert "3 handed in, 1 did not" in text and "the cell was deleted" in text and "LAYERS" in text and "61 s" in text
    bob = (tmp_path / "out" / "bob" / "index.html").read_text()
    assert "How many layers?" in bob and "Dear bob" in bob
    assert "ann" not in Page(bob).text and "repair" not in bob and "deleted" not in bob


def test_an_exercise_graded_by_hand_is_known_as_one(gradebook: Path, tmp_path: Path) -> None:
    write_reports(gradebook, "day2", tmp_path / "out")
    text = Page((tmp_path / "out" / "ann" / "index.html").read_text()).text
    assert "◐ partial 3 of 4 points An instructor gave these points." in text


def test_the_class_page_tells_who_shares_measurements_and_no_other_page_does(gradebook: Path, tmp_path: Path) -> None:
    def page() -> str:
        return Page(write_reports(gradebook, "day2", tmp_path / "out").read_text()).text

    assert "Alike Not looked at" in page()
    save_alike(alike_path(gradebook, "day2"), Alike())
    assert "Nobody shares measurements" in page()
    ring = tuple(Member(learner=f"ring{n}", shared=40, traces=50) for n in range(14))
    pair = tuple(Member(learner=who, shared=12, traces=200) for who in ("ann", PAYLOAD, "~/cpu-reference"))
    found = Alike(
        groups=(
            Group(members=ring, records=("profile-trace",), traces=40),
            Group(members=pair, records=("exercises-speed", "exercises-sweep"), traces=12),
        ),
        named=(Named(learner="bob", names="ann", records=86, here=True), Named(learner="bob", names="", records=1, here=False)),
        cut=("bob",),
    )
    save_alike(alike_path(gradebook, "day2"), found)
    text = page()
    assert (
        "exercises-speed, exercises-sweep" in text
        and "12 of 200, 12 of 200" in text
        and "the course's own recording (cpu-reference)" in text
        and "ring11 and 2 more" in text
    )
    assert "bob 86 ann" in text and "a token that is nobody’s in this class" in text and "Not compared whole" in text
    assert "ask each of them to show one of these exercises" in text
    shown = Page((tmp_path / "out" / "index.html").read_text())
    assert not shown.all("script") and not shown.all("img") and "\u202e" not in text
    for who in ("ann", "bob"):
        assert "measurement" not in (tmp_path / "out" / who / "index.html").read_text()
    alike_path(gradebook, "day2").write_text("{")
    assert "Alike Not looked at" in page()


def test_the_class_page_lists_what_the_last_class_run_could_not_grade(gradebook: Path, tmp_path: Path) -> None:
    def page() -> str:
        return Page(write_reports(gradebook, "day2", tmp_path / "out").read_text()).text

    assert "The grader could judge everything." in page()
    inside = "there is a second folder day2 inside day2, and no notebook beside it"
    names = {"ann": inside, "nofolder": PAYLOAD, "bytes\udcff": "no gradebook can hold that name"}
    save_summary(summary_path(gradebook, "day2"), Summary(not_graded=names))
    text = page()
    assert f"ann {inside} 5 nofolder" in text, "the points of what was handed in before still count"
    assert "bytes no gradebook can hold that name –" in text and "could judge everything" not in text
    assert not Page((tmp_path / "out" / "index.html").read_text()).all("script")
    assert "second folder" not in (tmp_path / "out" / "bob" / "index.html").read_text()
    save_summary(summary_path(gradebook, "day2"), Summary(not_graded={f"l{n}": "empty" for n in range(300)}))
    assert "l199 empty" in (text := page()) and "l200 " not in text and "The first 200 of 300" in text
    for damaged in ("{", "[]", '{"birds": 1}'):
        summary_path(gradebook, "day2").write_text(damaged)
        assert "The grader could judge everything." in page()


def test_reports_twice_are_the_same_bytes(gradebook: Path, tmp_path: Path) -> None:
    def written(to: Path) -> list[bytes]:
        write_reports(gradebook, "day2", to)
        return [path.read_bytes() for path in sorted(to.rglob("*.*")) if path.is_file()]

    assert written(tmp_path / "a") == written(tmp_path / "a") == written(tmp_path / "b")


def test_a_configuration_says_where_the_course_is(gradebook: Path, tmp_path: Path) -> None:
    moved = gradebook.rename(tmp_path / "elsewhere")
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "nbgrader_config.py").write_text(f"c = get_config()\nc.CourseDirectory.root = {str(moved)!r}\n")
    assert "LAYERS" in write_reports(folder, "day2", tmp_path / "out").read_text()


def test_where_there_is_nothing_to_report_on(gradebook: Path, tmp_path: Path) -> None:
    with pytest.raises(NoReport, match="not there.*nbgrader autograde day2"):
        write_reports(tmp_path, "day2", tmp_path / "out")
    assert not (tmp_path / "gradebook.db").exists()
    with pytest.raises(NoReport, match="It has: day2"):
        write_reports(gradebook, "day9", tmp_path / "out")


def test_a_gradebook_that_cannot_be_read_is_not_called_empty(gradebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def told() -> str:
        with pytest.raises(NoReport) as refused:
            write_reports(gradebook, "day2", tmp_path / "out")
        return str(refused.value)

    monkeypatch.setattr(write, "PATIENCE_S", 0.01)
    path = gradebook / "gradebook.db"
    with sqlite3.connect(path) as other:
        other.execute("begin exclusive")
        assert "gradebook.db: another program is writing to it." in (said := told()) and "close it" in said
    other.close()
    whole = path.read_bytes()
    path.write_bytes(bytes(range(1, 256)) * 100)
    assert "gradebook.db: it is damaged. Put a copy back" in told()
    path.write_bytes(whole[:4096] + bytes(range(1, 256)) * (len(whole) // 255))  # its head is whole, so that it opens
    assert "gradebook.db: it is damaged. Put a copy back" in told()
    path.write_bytes(b"")
    assert "it is no gradebook" in told()


def test_the_class_page_says_who_was_late_and_what_it_cost(tmp_path: Path) -> None:
    made = Book(tmp_path / "course").learner("ann", 2.0).learner("bob", 2.0).learner("cy", 2.0)
    made.book.update_or_create_assignment("day2", duedate="2026-11-22 07:05:00 UTC")
    made.book.find_submission_notebook("01_demo", "day2", "ann").late_submission_penalty = 0.5
    made.book.grant_extension("day2", "bob", hours=23)
    made.book.grant_extension("day2", "cy", days=5)
    rows = {entry.learner: entry.late for entry in entries_of(made.close())}
    assert rows == {"ann": timedelta(hours=26).total_seconds(), "bob": timedelta(hours=3).total_seconds(), "cy": 0}
    text = Page(write_reports(tmp_path / "course", "day2", tmp_path / "out").read_text()).text
    assert "ann 26 h 00 min 0.5 bob 3 h 00 min 0 Alike" in text
    assert "Handed in late: 0.5 points" in Page((tmp_path / "out" / "ann" / "index.html").read_text()).text


def test_the_class_page_says_whose_folder_is_gone(gradebook: Path, tmp_path: Path) -> None:
    save_summary(summary_path(gradebook, "day2"), Summary(gone=["bob", PAYLOAD]))
    page = Page(write_reports(gradebook, "day2", tmp_path / "out").read_text())
    assert "with what was graded earlier: bob , " in page.text and not page.all("script")


def test_the_class_page_says_who_cannot_be_late(gradebook: Path, tmp_path: Path) -> None:
    save_summary(summary_path(gradebook, "day2"), Summary(untimed=["bob", PAYLOAD]))
    page = Page(write_reports(gradebook, "day2", tmp_path / "out").read_text())
    assert "unless an earlier one was late: bob , " in page.text and not page.all("script")


def entries_of(course: Path) -> list[Entry]:
    with create_engine(f"sqlite:///{course / 'gradebook.db'}").connect() as book:
        return list(entries(book, "day2"))


def test_the_command(gradebook: Path, tmp_path: Path) -> None:
    def asked(*words: str) -> Any:
        return CliRunner().invoke(command.app, ["report", "--to", str(tmp_path / "out"), *words])

    done = asked("--course-dir", str(gradebook))
    assert done.exit_code == 0 and done.stdout.strip() == str(tmp_path / "out" / "index.html")
    done = asked("--course-dir", str(tmp_path))
    assert done.exit_code == 2 and "Run `nbgrader autograde day2` first" in done.stderr
    (tmp_path / "file").write_text("mine")
    done = asked("--course-dir", str(gradebook), "--to", str(tmp_path / "file"))
    assert done.exit_code == 2 and "cannot be written (Not a directory)" in done.stderr and "with --to" in done.stderr
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(not (REPOSITORY / ".git").exists(), reason="a copy without git")
def test_git_does_not_offer_what_grading_writes_into_the_repository() -> None:
    written = ["grades.csv", "gradebook.db", "day2.class.db", "day2.class.db-wal", "day2.class.json", "day2.alike.json", "feedback/ann/x"]
    asked = ["git", "-C", str(REPOSITORY), "check-ignore", "--no-index", *written]
    assert subprocess.run(asked, capture_output=True, text=True, timeout=60).stdout.split() == written


def test_checking_does_not_load_what_reports_need() -> None:
    script = f"import sys; sys.path.insert(0, {str(REPOSITORY)!r})\nimport grading.__main__\nprint([n for n in ('nbgrader', 'sqlalchemy', 'jinja2') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done


# ---- over nbgrader for real


@pytest.mark.real
def test_the_report_of_a_real_autograding_run(course: Any, tmp_path: Path) -> None:
    course.learner("ann").good()
    course.learner("bob").wrong()
    course.learner("cy").good().record("demo-fault", mode="crash")
    course.learner("di").empty()
    course.autograde()
    index = write_reports(course.root, ASSIGNMENT, tmp_path / "out")
    texts = {who: Page((tmp_path / "out" / who / "index.html").read_text()).text for who in ("ann", "bob", "cy", "di")}
    assert "6 of 6 points" in texts["ann"] and "Nothing is left to do" in texts["ann"]
    assert "double(2) returned 2" in texts["bob"] and "0 of 6 points" in texts["bob"]
    assert "? not judged" in texts["cy"] and "5 of 6 points" in texts["cy"] and "secret-of-the-grader" not in texts["cy"]
    assert "not there yet" in texts["di"]
    text = Page(index.read_text()).text
    assert "4 handed in, 0 did not" in text and "double(2)" in text and "stopped with" in text


def words_of(text: str) -> str:
    """Words and nothing else: a page does not show the marks of Markdown."""
    return " ".join(re.findall(r"\w+", text))


@pytest.mark.real
def test_feedback_on_the_course_shows_reasons_and_nothing_that_learners_do_not_have(tmp_path: Path) -> None:
    """The whole course, an untouched submission: what comes back is the released text and the verdicts."""
    import shutil

    from nbgrader.apps import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config import PyFileConfigLoader

    config = PyFileConfigLoader("nbgrader_config.py", path=str(REPOSITORY)).load_config()
    config.CourseDirectory.root = str(tmp_path)
    shutil.copytree(REPOSITORY / "source" / "day2", tmp_path / "source" / "day2")
    api = NbGraderAPI(CourseDirectory(config=config), config=config)
    assert api.generate_assignment("day2")["success"]
    shutil.copytree(tmp_path / "release" / "day2", tmp_path / "submitted" / "ann" / "day2")
    for done in (api.autograde("day2", "ann"), api.generate_feedback("day2", "ann")):
        assert done["success"], done
    for path in sorted((tmp_path / "source" / "day2").glob("*.ipynb")):
        page = Page((tmp_path / "feedback" / "ann" / "day2" / f"{path.stem}.html").read_text()).text
        released = " ".join(
            "".join(cell["source"]) for cell in json.loads((tmp_path / "release" / "day2" / path.name).read_text())["cells"]
        )
        assert "FAILED: 0 of" in page and "expected" in page
        for hidden in ("HIDDEN TESTS", "award(", "grading.award", "BEGIN SOLUTION", "MARK SCHEME", str(tmp_path), "repairs.json"):
            assert hidden not in page or hidden in released, (path.stem, hidden)
        shown, known = words_of(page), words_of(released)
        assert [one for one in map(words_of, solution_lines(path)) if one in shown and one not in known] == []
    assert "1 handed in" in Page(write_reports(tmp_path, "day2", tmp_path / "out").read_text()).text


def solution_lines(path: Path) -> set[str]:
    sources = ["".join(cell["source"]) for cell in json.loads(path.read_text())["cells"]]
    blocks = [block for source in sources for block in re.findall(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", source, re.S)]
    return {" ".join(text.split()) for block in blocks for text in block.splitlines() if len(text.strip()) > 12}


# ---- the index of a course run


def test_the_course_run_links_the_pages(gradebook: Path, tmp_path: Path) -> None:
    from nbformat.v4 import new_markdown_cell, new_notebook, writes

    from labkit.lane import detect_lane
    from tools.grades import Score
    from tools.report import write_report

    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "01_demo.ipynb").write_text(writes(new_notebook(cells=[new_markdown_cell("# Hi")])))
    found = {who: [Score("01_demo", "demo-number", 1.0, 2.0, False)] for who in ("ann", "bob")}
    executed = [{"name": "01_demo", "seconds": 1.25, "ok": True}]
    index = write_report(tmp_path / "out", tmp_path / "run", gradebook, detect_lane("cpu"), executed, found)
    page = Page(index.read_text())
    linked = [attributes["href"] or "" for attributes in page.all("a")]
    assert {"reports/index.html", "reports/ann/index.html", "reports/bob/index.html", "01_demo.html"} <= set(linked)
    assert [link for link in linked if not link.startswith("feedback/") and not (tmp_path / "out" / link).is_file()] == []
    assert len(page.all("caption")) == len(page.all("table")) == 3 and "together 1 1 2" in page.text
