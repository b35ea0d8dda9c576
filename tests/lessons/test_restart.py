"""After a restart of the kernel a learner runs a lesson's first two code cells and the section's own: that is all a section may need."""

import ast
import builtins

import pytest

from tests.lessons.conftest import ROOT
from tools.lesson import headings, read

LESSONS = ("04_first_inference", "05_nsight_systems", "06_exercises")


def names(source):
    """The names that code binds anywhere, and those that it reads."""
    if source.startswith("%%"):  # another program
        return set(), set()
    bound, used = set(), set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.alias):
            bound.add((node.asname or node.name).partition(".")[0])
    return bound, used


def missing(notebook):
    """(section, name) for each name that a section's cells read and neither they nor the first two code cells bind."""
    first = [cell for cell in notebook.cells if cell.cell_type == "code"][:2]
    ready = set(dir(builtins)).union(*(names(cell.source)[0] for cell in first))
    found, section, known = [], "", set(ready)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for level, title in headings(cell):
                if level == 2:
                    section, known = title, set(ready)
        elif cell.cell_type == "code":
            bound, used = names(cell.source)
            known |= bound
            found += [(section, name) for name in sorted(used - known)]
    return found


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_section_needs_the_first_two_code_cells_only(lesson):
    assert missing(read(ROOT / "lessons" / f"{lesson}.md").notebook) == []
