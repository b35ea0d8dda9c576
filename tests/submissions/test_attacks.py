"""A hundred and forty attackers and four honest learners hand in to the real course, and are graded together, once."""

import csv
import html
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import hostile_class
import pytest
from handed import REPOSITORY, Context
from hostile_class import ASSIGNMENT, HONEST, MACHINE, Mounted, Outcome

from labkit.evidence import BadEvidence, parse_json

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]
FULL, WRONG = sum(MACHINE.values()), "ref-wrong"
ROOT_ONLY = os.geteuid() != 0
ATTACKS = {one.name: one for one in hostile_class.attacks()}
STOCK = ("newline_in_the_name", "bytes_in_the_name", "skip_execution_tags", "doubled_tests", "records_are_links", "html_in_a_record")
EVERYWHERE = (
    "/tmp",
    "/var/tmp",
    "/dev/shm",
    "/usr/lib",
    "/usr/lib/python3",
    "/etc",
    "/root",
    "/home",
    "/",
    Path(os.__file__).parent,
    Path.home(),
)
FORMULA = re.compile(r"[=+\-@\t\r\n]")


FORMGRADE = {
    "assignment_id": ASSIGNMENT, "notebook_id": "06_exercises", "submission_id": "x", "base_url": "/", "index": 0, "total": 1, "student": "x",
    "last_name": "", "first_name": "", "notebook_path": "",
}  # fmt: skip
COPIERS = ("copied_submission", "copied_and_renamed", "token_of_the_copier")


class Dangers(HTMLParser):
    """What of a page would run or load something, its visible text, and the text of its scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self.text, self.scripts, self._script = "", "", False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._script = tag == "script"
        if tag in ("script", "img", "iframe", "object", "embed", "base", "form", "input", "video", "audio"):
            self.found.append((tag, str(attrs)))
        harmful = [name for name, value in attrs if name.startswith("on") or "script:" in str(value).lower() or name == "srcdoc"]
        self.found += [(name, str(attrs)) for name in harmful]

    def handle_endtag(self, tag: str) -> None:
        self._script = False

    def handle_data(self, data: str) -> None:
        if self._script:
            self.scripts += data
        else:
            self.text += data


def mounted() -> list[Mounted]:
    """The attacks that can be mounted here."""
    return [one for one in ATTACKS.values() if not (one.expected.needs_root and ROOT_ONLY)]


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("generated") / "course"
    hostile_class.generate(root)
    return root


def mount(generated: Path, root: Path, which: list[Mounted], port: int) -> Path:
    """Make a class of honest learners, the controls and these attackers; return a folder outside of the course."""
    subprocess.run(["cp", "-r", generated, root], check=True)
    outside, mark = root.parent / "outside", f"day2-attack-{os.getpid()}"
    outside.mkdir()
    (outside / "precious.txt").write_text("not the grader's")
    neighbour = root / "submitted" / "reference" / ASSIGNMENT
    right, wrong = hostile_class.control("right"), hostile_class.control("wrong")
    for learner in HONEST:
        hostile_class.lay(root, root / "submitted" / learner / ASSIGNMENT, right.expected)
    context = Context(root, WRONG, neighbour, outside, port, mark)
    hostile_class.hand_in(root, Mounted("wrong", wrong.expected, wrong.attack), context)
    for one in which:
        hostile_class.hand_in(root, one, Context(root, one.learner, neighbour, outside, port, mark))
    return outside


@pytest.fixture(scope="module")
def graded(generated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """The class after its one run, and what the run changed on this machine."""
    folder = tmp_path_factory.mktemp("class")
    root, home = folder / "course", folder / "home"
    home.mkdir()
    with hostile_class.listener() as waiting, hostile_class.orphans_come_here():
        outside = mount(generated, root, mounted(), waiting.getsockname()[1])
        kept = (root / "source", root / "release", root / "submitted", outside, home)
        before, running = hostile_class.census(*kept), hostile_class.children()
        said = hostile_class.grade(root, home, *hostile_class.AS_REFERENCE)
        after = hostile_class.census(*kept)
        yield Outcome(
            grades=hostile_class.read_grades(root),
            told={one.learner: hostile_class.read_told(root, one.learner) for one in mounted()},
            said=said,
            root=root,
            changed=sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path)),
            processes=sorted(hostile_class.children() - running),
            contacts=hostile_class.calls(waiting),
        )


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_an_attack_earns_what_its_honest_part_earns(graded: Outcome, name: str) -> None:
    one = ATTACKS[name]
    if one not in mounted():
        pytest.skip("only root can mount it")
    if not one.expected.graded:
        assert one.learner not in graded.grades
        return
    score = graded.score(one.learner)
    assert score <= one.expected.max_points + 1e-9, sorted(graded.passed(one.learner))
    assert one.expected.points is None or score == pytest.approx(one.expected.points), graded.told[one.learner]
    assert not graded.passed(one.learner) & set(one.expected.may_not_pass)
    assert graded.not_judged(one.learner) <= set(one.expected.not_judged), graded.told[one.learner]
    for words in one.expected.reported:
        assert words in graded.told[one.learner], graded.told[one.learner]
    said = hostile_class.read_compared(graded.root, one.learner)
    assert all(words in said for words in one.expected.compared) or not hostile_class.class_engine(), said


@pytest.mark.parametrize("learner", HONEST)
def test_the_right_control_has_full_marks_among_attackers(graded: Outcome, learner: str) -> None:
    assert graded.score(learner) == FULL == hostile_class.control("right").expected.points
    assert not graded.not_judged(learner)


def test_the_wrong_control_has_what_its_evidence_alone_earns(graded: Outcome) -> None:
    expected = hostile_class.control("wrong").expected
    assert graded.score(WRONG) == expected.points
    assert not graded.passed(WRONG) & set(expected.may_not_pass)


def test_everybody_was_graded_and_nobody_twice(graded: Outcome) -> None:
    wanted = {one.learner for one in mounted() if one.expected.graded} | {*HONEST, WRONG}
    assert set(graded.grades) == wanted, graded.said[-3000:]
    assert {len(grades) for grades in graded.grades.values()} == {len(graded.grades["reference"])}


def test_the_run_changed_nothing_but_its_own_files(graded: Outcome) -> None:
    assert graded.changed == []
    own = {"source", "release", "submitted", "autograded", "gradebook.db", *(path.name for path in graded.root.glob(f"{ASSIGNMENT}.*"))}
    assert {path.name for path in graded.root.iterdir()} <= own | {".nbgrader.log"}


def test_nothing_was_left_where_everyone_may_write(graded: Outcome) -> None:
    mark = f"day2-attack-{os.getpid()}"
    assert hostile_class.left_behind(mark, *map(Path, EVERYWHERE), graded.root, graded.root.parent / "outside", REPOSITORY) == []


def test_no_process_is_left(graded: Outcome) -> None:
    assert graded.processes == []


def test_nobody_called_out(graded: Outcome) -> None:
    assert graded.contacts == 0


def test_no_text_of_an_attacker_ends_the_text_of_a_verdict(graded: Outcome) -> None:
    for learner, told in graded.told.items():
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", told), learner
    assert "forged-verdict" not in "".join(graded.told.values())
    forged = [line for line in graded.told["ref-escapes_in_a_record"].splitlines() if line.startswith("forged-line")]
    assert not forged


def test_only_text_of_solution_cells_gets_into_autograded(graded: Outcome) -> None:
    for one in mounted():
        folder = graded.root / "autograded" / one.learner / ASSIGNMENT
        names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        notebooks = {path.stem for path in (graded.root / "release" / ASSIGNMENT).glob("*.ipynb")}
        allowed = {f"{n}.ipynb" for n in notebooks} | {f"{n}.repairs.json" for n in notebooks} | {"timestamp.txt"}
        assert names <= allowed, one.name


def test_the_pages_escape_what_attackers_wrote(graded: Outcome, tmp_path: Path) -> None:
    line = [sys.executable, "-m", "grading", "report", "--course-dir", str(graded.root), "--to", str(tmp_path / "reports")]
    done = subprocess.run(line, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    pages = {path: path.read_text(encoding="utf-8") for path in (tmp_path / "reports").rglob("*.html")}
    assert len(pages) >= len(graded.grades)
    for path, page in pages.items():
        assert Dangers(page).found == [], path
        assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x08\x1b]", page), path
        assert "49" not in re.findall(r"<bdi>([^<]*)</bdi>", page), path
    together = "".join(pages.values())
    assert html.escape("<script>alert('xss-in-record')</script>", quote=True).replace("&#x27;", "&#39;") in together, "it is shown as text"


def test_the_export_holds_no_formula(graded: Outcome, tmp_path: Path) -> None:
    line = [sys.executable, "-m", "nbgrader", "export", f"--CourseDirectory.root={graded.root}", f"--to={tmp_path / 'grades.csv'}"]
    done = subprocess.run(line, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    with (tmp_path / "grades.csv").open(newline="", encoding="utf-8", errors="surrogateescape") as stream:
        rows = list(csv.reader(stream))
    assert {len(row) for row in rows} == {len(rows[0])}, "a comma or a line break in a name shifted the columns"
    assert [cell for row in rows for cell in row if FORMULA.match(cell)] == []
    scores = {row[rows[0].index("student_id")]: float(row[rows[0].index("score")]) for row in rows[1:]}
    assert len(scores) == len(graded.grades)
    assert scores["reference"] == FULL


def test_what_attackers_wrote_does_not_run_on_the_feedback_pages(graded: Outcome, tmp_path: Path) -> None:
    """The page itself comes with nbgrader's own scripts; an attacker's word stands in none, and in no attribute that runs."""
    hostile_class.run_nbgrader(graded.root, "generate_feedback", os.environ, "--student=ref-html_in_answers", "--notebook=0[16]*")
    for name in ("01_environment", "06_exercises"):
        page = (graded.root / "feedback" / "ref-html_in_answers" / ASSIGNMENT / f"{name}.html").read_text(encoding="utf-8")
        dangers = Dangers(page)
        assert "xss-in-answer" in dangers.text, "it is shown as text"
        assert "xss-in-answer" not in dangers.scripts
        assert [one for one in dangers.found if one[0] not in ("script", "input")] == [], name  # those are nbgrader's


def test_what_attackers_wrote_does_not_run_in_formgrader(graded: Outcome) -> None:
    """The exporter and the template with which nbgrader's formgrader shows a submission to the one who grades it."""
    from nbconvert.exporters import HTMLExporter
    from nbgrader.server_extensions import formgrader
    from traitlets.config import PyFileConfigLoader

    config = PyFileConfigLoader("nbgrader_config.py", path=str(REPOSITORY)).load_config()
    templates = Path(formgrader.__file__).parent / "templates"
    config.HTMLExporter.template_name, config.HTMLExporter.extra_template_basedirs = "formgrade", [str(templates)]
    path = graded.root / "autograded" / "ref-html_in_answers" / ASSIGNMENT / "06_exercises.ipynb"
    page, _ = HTMLExporter(config=config).from_filename(str(path), resources=FORMGRADE)
    dangers = Dangers(page)
    assert "xss-in-answer" in dangers.text
    assert "xss-in-answer" not in dangers.scripts
    assert [one for one in dangers.found if "alert(1)" in str(one)] == []


def test_copies_are_reported_with_whom_they_were_copied_from(generated: Path, tmp_path: Path) -> None:
    """A class of the real checks alone: one honest learner, and three who hand the same evidence in again."""
    if not hostile_class.class_engine():
        pytest.skip("only a class run compares learners")
    root, home = tmp_path / "course", tmp_path / "home"
    home.mkdir()
    subprocess.run(["cp", "-r", generated, root], check=True)
    neighbour = root / "submitted" / "reference" / ASSIGNMENT
    hostile_class.lay(root, neighbour, hostile_class.control("right").expected)
    for one in (ATTACKS[name] for name in COPIERS):
        hostile_class.hand_in(root, one, Context(root, one.learner, neighbour, tmp_path, 9, "x"))
    said = hostile_class.grade(root, home)
    assert "91 records name reference" in hostile_class.read_compared(root, "copycat"), said
    assert "91 records name reference" in hostile_class.read_compared(root, "renamer"), said
    assert "values alike with reference" in hostile_class.read_compared(root, "tokenist"), said
    assert "values alike with ~/cpu-reference" in hostile_class.read_compared(root, "tokenist"), "which the reference's evidence is, too"
    assert re.search(r"\bcopycat, .*records name reference", said.replace("\n", " ")), said
    found = hostile_class.read_grades(root)
    assert sum(grade.auto or 0 for grade in found["reference"].values()) == FULL, "the one who was copied from loses nothing"
    assert sum(grade.auto or 0 for grade in found["copycat"].values()) == 0


def test_stock_autograding_finds_the_same_scores(graded: Outcome, generated: Path, tmp_path: Path) -> None:
    root = tmp_path / "course"
    few = [ATTACKS[name] for name in STOCK]
    with hostile_class.listener() as waiting:
        mount(generated, root, few, waiting.getsockname()[1])
        for learner in HONEST[1:]:
            subprocess.run(["rm", "-r", root / "submitted" / learner], check=True)
        hostile_class.run_nbgrader(root, "autograde", {**os.environ, "HOME": str(tmp_path)})
    found = hostile_class.read_grades(root)
    assert not {ATTACKS[name].learner for name in STOCK[:2]} & found.keys(), "nbgrader cannot hold these names, and would stop the class"
    for learner in [one.learner for one in few[2:]] + [HONEST[0]]:
        same = {cell: (grade.auto, grade.waits) for cell, grade in found[learner].items()}
        assert same == {cell: (grade.auto, grade.waits) for cell, grade in graded.grades[learner].items()}, learner


def test_the_census_sees_what_an_attack_that_works_would_leave(tmp_path: Path) -> None:
    before, running = hostile_class.census(tmp_path), hostile_class.children()
    (tmp_path / "mark-1").symlink_to("/etc/passwd")
    assert hostile_class.census(tmp_path) != before
    assert hostile_class.left_behind("mark", tmp_path) == [str(tmp_path / "mark-1")]
    with hostile_class.listener() as waiting, hostile_class.orphans_come_here():
        subprocess.run(["sh", "-c", "setsid sleep 60 & exec true"], check=True, stdout=subprocess.DEVNULL)
        orphans = hostile_class.children() - running
        for orphan in orphans:
            os.kill(int(orphan.split()[0]), signal.SIGKILL)
            os.waitpid(int(orphan.split()[0]), 0)
        socket.create_connection(waiting.getsockname(), 1).close()
        assert (len(orphans), hostile_class.calls(waiting)) == (1, 1)


def test_every_attack_says_what_it_wants() -> None:
    assert len(ATTACKS) >= 60
    for one in ATTACKS.values():
        assert one.expected.max_points < FULL or not one.expected.may_not_pass, one.name
        unknown = {*one.expected.may_not_pass, *one.expected.not_judged} - MACHINE.keys()
        assert not unknown, one.name


def test_expectations_are_data_a_stranger_could_write() -> None:
    for path in sorted(Path(__file__).parent.glob("attacks/*/expected.json")):
        try:
            parse_json(path.read_bytes(), path.parent.name)
        except BadEvidence as bad:
            pytest.fail(str(bad))
