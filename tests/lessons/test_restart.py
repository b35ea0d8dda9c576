"""After a restart a learner runs a lesson's first two code cells and then one step, from its large heading on: no name is missing."""

import builtins

import pytest

from tests.cell_names import names_in
from tests.lessons.conftest import ROOT
from tools.lesson import headings, read

KERNEL = {"get_ipython", "display"}


def missing(cells, after_cells=2):
    """Return "heading: name" for each name that a step reads and neither it nor the first two code cells have set before."""
    known = {*dir(builtins), *KERNEL}
    code, found, here, title = 0, [], set(), ""
    for cell in cells:
        if cell.cell_type != "code":
            steps = [text for level, text in headings(cell) if level == 2]
            title, here = (steps[-1], set()) if steps else (title, here)
            continue
        code += 1
        sets, reads = names_in(cell.source)
        if code <= after_cells:
            known |= sets
            continue
        found += [f"{title}: {name}" for name in sorted(reads - known - here - sets)]
        here |= sets
    return found


@pytest.mark.parametrize(
    "lesson",
    ["00_start_here", "01_environment", "02_source_build", "03_debuggers", "04_first_inference", "05_nsight_systems", "06_exercises"],
)
def test_each_step_runs_after_a_restart(lesson):
    assert missing(read(ROOT / "lessons" / f"{lesson}.md").notebook.cells) == []


def test_a_name_of_an_earlier_step_is_missed():
    cells = read(ROOT / "lessons" / "02_source_build.md").notebook.cells
    assert "Step 3: the whole build, with a forecast: workshop" in missing(cells, after_cells=1)
