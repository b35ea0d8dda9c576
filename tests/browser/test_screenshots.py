"""The pictures of the README are of cells that the lessons still have, and the README shows each of them."""

import nbformat
import pytest

from tools.browsing import ROOT
from tools.screenshots import SHOTS, NoPicture, Shot, place, take


@pytest.mark.parametrize("shot", SHOTS, ids=lambda shot: shot.name)
def test_a_picture_has_its_cell_and_its_place(shot):
    notebook = nbformat.read(ROOT / "notebooks" / f"{shot.notebook}.ipynb", as_version=4)
    assert shot.cell in notebook.cells[place(shot, notebook)].source
    assert f"(docs/images/{shot.name}.png)" in (ROOT / "README.md").read_text()


def test_a_cell_that_is_gone_is_named():
    notebook = nbformat.read(ROOT / "notebooks" / "00_start_here.ipynb", as_version=4)
    with pytest.raises(NoPicture, match="0 code cells hold 'no such words'"):
        place(Shot("x", "00_start_here", "no such words", 100), notebook)


def test_without_a_run_the_next_step_is_named(tmp_path):
    with pytest.raises(NoPicture, match="make course"):
        take(SHOTS, tmp_path, tmp_path / "images", "no browser is asked")
    assert not (tmp_path / "images").exists()
