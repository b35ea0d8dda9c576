"""The stock commands that make course runs: what they leave, and what is said when one fails."""

from pathlib import Path

import pytest

from labkit.messages import LearnerMessage
from tools import stock


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder with a module `nbgrader` that fails for one command, in the place of the real one."""
    (tmp_path / "nbgrader.py").write_text("import sys\nprint('running', *sys.argv[1:3])\nsys.exit(sys.argv[1] == 'autograde')\n")
    monkeypatch.setattr(stock, "ROOT", tmp_path)
    return tmp_path


def test_a_command_runs_by_itself_and_its_output_is_in_the_log(pretend: Path) -> None:
    started = stock.start("generate_assignment", pretend, pretend / "one.log")

    assert stock.finish(started) == "nbgrader generate_assignment day2: exit code 0"
    assert started.log.read_text() == "running generate_assignment day2\n"


def test_a_command_that_fails_says_why_and_where(pretend: Path) -> None:
    started = stock.start("autograde", pretend, pretend / "two.log")

    with pytest.raises(LearnerMessage, match="(?s)nbgrader autograde failed.*running autograde day2.*two.log"):
        stock.finish(started)
