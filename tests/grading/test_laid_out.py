"""What is laid out here by hand is what nbformat and textwrap make of it, whatever a stranger wrote; and sharing reads follows no link."""

import random
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from grading.classrun.digests import submission_digest
from grading.classrun.one import outputs
from grading.classrun.page import page
from grading.likeness import fingerprints
from grading.submission import Submission
from grading.verdict import Verdict

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "00_start_here.ipynb"
EVIDENCE = Path(__file__).parents[2] / "recordings" / "cpu-reference"
PARTS = (
    "\n",
    "\r\n",
    "\x0b",
    "\x1c",
    "\u2028",
    '"',
    "\\",
    "\x00",
    "\x1b[31m",
    "é",
    "\u202e",
    "],\n",
    "  },\n  {\n",
    "a",
    " ",
    "  ",
    "x" * 99,
)


def texts(count: int) -> list[str]:
    """Return texts of odd parts, the same ones each time."""
    rng = random.Random(7)
    return ["".join(rng.choices(PARTS, k=rng.randrange(30))) for _ in range(count)]


def test_changed_cells_are_laid_out_as_nbformat_does():
    whole, ours = nbformat.v4.reads(NOTEBOOK.read_text()), page(NOTEBOOK.read_text())
    changed = {}
    for place, text in enumerate(texts(len(ours.cells))):
        put = {"source": text}
        if ours.cells[place].cell_type == "code":
            put["outputs"] = outputs(Verdict(state="failed", points=0.1, seen=text, expected=text), 3.0) if place % 3 else []
        whole.cells[place] = changed[place] = NotebookNode({**ours.cells[place], **put})
    assert ours.text(changed) == nbformat.v4.writes(whole) + "\n"


def test_a_submission_that_was_read_has_the_digest_and_the_traces_of_one_that_was_not(tmp_path):
    link = tmp_path / "link"
    link.symlink_to(EVIDENCE)
    for folder in (EVIDENCE, link):
        shelf = Submission(folder, "reference").shelf
        traces = fingerprints(folder, "reference", shelf)
        assert traces == fingerprints(folder, "reference")
        assert submission_digest(folder, ["x"], shelf) == submission_digest(folder, ["x"])
        assert (shelf.kept("files/nothing") is None) and (folder == EVIDENCE) == any(
            shelf.kept(path.name) for path in EVIDENCE.glob("evidence/*.json")
        )


def test_only_evidence_is_answered_from_what_was_read_of_evidence(tmp_path):
    (tmp_path / "x.ipynb").write_text("mine")
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / "x.ipynb").write_text("a namesake")

    class Read:
        folder = tmp_path / "evidence"

        def kept(self, name):
            return {"x.ipynb": b"a namesake", "timestamp.txt": b"2026"}.get(name)

    assert submission_digest(tmp_path, ["x"], Read()) == submission_digest(tmp_path, ["x"])
