"""Take the README's pictures again: `python -m tools.screenshots` writes docs/images/, from the notebooks that `make course` ran.

Real JupyterLab, in a window of one size, with more pixels than GitHub shows, so that text is sharp on any screen. Look at them before you commit them.
"""

import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
from nbformat.sign import NotebookNotary

from tools.browsing import NO_BROWSER, ROOT, Server, find_browser, jupyterlab, open_browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser

RUN, IMAGES = ROOT / "build" / "course" / "run", ROOT / "docs" / "images"
WIDTH, DENSITY = 960, 1.3  # CSS pixels of the window, which GitHub shows in about 830; pixels of the picture for each of them
MOST = 200_000  # bytes of a picture: a README must open quickly
SECONDS = 60
FRAME = "#jp-main-dock-panel"  # the notebook with its toolbar, without menus and file browser
# Cells above are drawn late, and move this one: scroll until it has stayed at the top for ten frames.
AT_THE_TOP = """async selector => { const cell = document.querySelector(selector), frame = () => new Promise(requestAnimationFrame);
    cell.scrollIntoView(); await frame(); const top = cell.getBoundingClientRect().top;
    for (let i = 0; i < 10; i++) { await frame(); if (cell.getBoundingClientRect().top !== top) return false }
    return [...cell.querySelectorAll('img')].every(one => one.complete) }"""
FRONT = "window.jupyterapp?.shell.currentWidget"


@dataclass(frozen=True)
class Shot:
    """A picture: its name, the notebook, words of the code cell at its top, and its height in CSS pixels."""

    name: str
    notebook: str
    cell: str
    height: int


SHOTS = (
    Shot("lesson-05", "05_nsight_systems", "timeline.plot_step(gpu.trace", 640),
    Shot("lesson-06", "06_exercises", "batches.show_recorded(lab)", 730),
)


class NoPicture(Exception):
    """A picture cannot be taken. The text says what to do."""


def place(shot: Shot, notebook: nbformat.NotebookNode) -> int:
    """Return the number of the cell at a picture's top. Raises NoPicture when no code cell, or more than one, has its words."""
    found = [number for number, cell in enumerate(notebook.cells) if cell.cell_type == "code" and shot.cell in cell.source]
    if len(found) != 1:
        raise NoPicture(f"{shot.notebook}: {len(found)} code cells hold {shot.cell!r}, expected one. Mend SHOTS in tools/screenshots.py.")
    return found[0]


def take(shots: Sequence[Shot], run: Path, images: Path, program: str) -> list[Path]:
    """Take pictures of the notebooks in `run` with a browser, and return the files. Raises NoPicture, RuntimeError."""
    missing = [shot.notebook for shot in shots if not (run / f"{shot.notebook}.ipynb").is_file()]
    if missing:
        raise NoPicture(f"{', '.join(missing)}: not in {run}. Run `make course` first.")
    images.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder, state = Path(scratch) / "notebooks", Path(scratch) / "state"
        folder.mkdir()
        with jupyterlab(folder, state) as server, open_browser(program) as browser:
            return [_picture(shot, run, images, server, state, browser) for shot in shots]


def _picture(shot: Shot, run: Path, images: Path, server: Server, state: Path, browser: "Browser") -> Path:
    copy = Path(shutil.copy(run / f"{shot.notebook}.ipynb", server.folder))
    notebook = nbformat.read(copy, as_version=4)
    number = place(shot, notebook)
    NotebookNotary(data_dir=str(state / "data")).sign(notebook)  # JupyterLab leaves styles out of pages it does not trust
    page = browser.new_page(viewport={"width": WIDTH, "height": shot.height}, device_scale_factor=DENSITY)
    page.set_default_timeout(SECONDS * 1000)
    page.goto(server.page(copy.name))
    page.wait_for_function(f"() => {FRONT}?.sessionContext?.session?.kernel?.status === 'idle'")
    page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
    page.evaluate(f"number => {FRONT}.content.scrollToItem(number, 'start')", number)  # draws the cell
    page.wait_for_function("() => !document.querySelector('#jupyterlab-splash')")
    page.wait_for_function(AT_THE_TOP, arg=f"{FRAME} [data-windowed-list-index='{number}']")
    target = images / f"{shot.name}.png"
    page.locator(FRAME).screenshot(path=target)
    page.close()
    return target


def main() -> int:
    """Take all pictures, say how large they are, and return the exit code: 1 when one is missing or too large."""
    program = find_browser()
    if program is None:
        print(NO_BROWSER)
        return 1
    try:
        taken = take(SHOTS, RUN, IMAGES, program)
    except NoPicture as problem:
        print(problem)
        return 1
    for path in taken:
        size = path.stat().st_size
        print(
            f"{path.relative_to(ROOT)}: {size / 1000:.0f} kB{'' if size <= MOST else f', more than {MOST / 1000:.0f} kB: lower its height'}"
        )
    return int(any(path.stat().st_size > MOST for path in taken))


if __name__ == "__main__":
    sys.exit(main())
