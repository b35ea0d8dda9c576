"""A laboratory in a temporary folder, and evidence written the way lessons write it."""

from pathlib import Path

import pytest

from labkit.lane import Lane
from labkit.recorder import Recorder

CPU = Lane("cpu", ("a test",), "float32")


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are fitted to the terminal; in tests it is wide enough to keep sentences in one line."""
    monkeypatch.setenv("COLUMNS", "300")


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    """Write evidence of the learner `ada` into tmp_path/evidence."""
    return Recorder(tmp_path / "evidence", "ada", CPU)
