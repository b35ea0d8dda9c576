"""After a restart a learner runs a lesson's first two code cells and then one step, from its large heading on: no name is missing."""

import ast
import builtins
import re

import pytest
from IPython.core.inputtransformer2 import TransformerManager

from tests.lessons.conftest import ROOT
from tools.lesson import headings, read

KERNEL = {"get_ipython", "display"}
STORED = (ast.Store, ast.Del)


def names_of(source):
    """What a cell reads, and what it sets. A cell that types into a debugger reads the variables in braces."""
    if source.startswith("%%"):
        reads = set(re.findall(r"\{([A-Z_]+)\}", source)) if source.startswith(("%%gdb", "%%pdb")) else set()
        return reads, set()
    nodes = list(ast.walk(ast.parse(TransformerManager().transform_cell(source))))
    sets = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, STORED)}
    sets |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)} | {
        n.arg for n in nodes if isinstance(n, ast.arg)
    }
    sets |= {(name.asname or name.name).partition(".")[0] for n in nodes if isinstance(n, ast.Import | ast.ImportFrom) for name in n.names}
    return {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}, sets


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
        reads, sets = names_of(cell.source)
        if code <= after_cells:
            known |= sets
            continue
        found += [f"{title}: {name}" for name in sorted(reads - known - here - sets)]
        here |= sets
    return found


@pytest.mark.parametrize(
    "lesson", ["00_start_here", "01_environment", "02_source_build", "03_debuggers", "04_first_inference", "05_nsight_systems", "06_exercises"]
)
def test_each_step_runs_after_a_restart(lesson):
    assert missing(read(ROOT / "lessons" / f"{lesson}.md").notebook.cells) == []


def test_a_name_of_an_earlier_step_is_missed():
    cells = read(ROOT / "lessons" / "02_source_build.md").notebook.cells
    assert "Step 3: the whole build, with a forecast: workshop" in missing(cells, after_cells=1)
