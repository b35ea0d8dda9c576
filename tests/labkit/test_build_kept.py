"""What was built of a file is kept while the file is edited, and put back with it: ninja, the real one, must agree."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from labkit.build import kept

RULES = """
rule compile
  command = cat $in > $out {note}
rule link
  command = cat $in > $out
build CMakeFiles/overlay.dir/csrc/utils.cpp.o: compile {source}
build liboverlay.so: link CMakeFiles/overlay.dir/csrc/utils.cpp.o
"""


class Build:
    """A build folder and a source tree as an overlay has them, with `cat` for a compiler."""

    def __init__(self, folder: Path) -> None:
        self.build, self.source = folder / "build", folder / "tree" / "csrc" / "utils.cpp"
        self.library = self.build / "liboverlay.so"
        self.source.parent.mkdir(parents=True)
        self.build.mkdir()
        self.source.write_text("as shipped")
        self.configure("")

    def configure(self, note: str) -> None:
        (self.build / "build.ninja").write_text(RULES.format(source=self.source, note=note))

    def ninja(self) -> str:
        return subprocess.run(["ninja", "-C", str(self.build)], capture_output=True, text=True, check=True).stdout

    def keep(self) -> None:
        kept.keep(self.build, self.source, self.library)

    def put_back(self) -> bool:
        return kept.put_back(self.build, self.source, self.library)


@pytest.fixture
def built(tmp_path: Path) -> Build:
    made = Build(tmp_path)
    made.ninja()
    return made


def write(source: Path, text: str) -> None:
    """Write a file with the time of now: a file system's own clock can lag behind, and ninja would see no edit."""
    source.write_text(text)
    os.utime(source, ns=(time.time_ns(), time.time_ns()))


def edit(built: Build) -> None:
    write(built.source, "edited")
    built.ninja()
    assert built.library.read_text() == "edited"


def test_ninja_has_nothing_to_do_when_the_file_is_put_back(built: Build) -> None:
    built.keep()
    edit(built)

    assert built.put_back()

    assert (built.source.read_text(), built.library.read_text()) == ("as shipped", "as shipped")
    assert "no work to do" in built.ninja()


def test_the_next_edit_is_compiled_again(built: Build) -> None:
    built.keep()
    edit(built)
    built.put_back()

    edit(built)


def test_other_settings_since_then_mean_that_nothing_is_put_back(built: Build) -> None:
    built.keep()
    built.configure("&& true")
    edit(built)

    assert not built.put_back()
    assert built.source.read_text() == "edited"


def test_other_settings_afterwards_are_compiled(built: Build) -> None:
    built.keep()
    edit(built)
    built.put_back()
    built.configure("&& true")

    assert "no work to do" not in built.ninja()


def test_what_is_older_than_its_source_is_not_kept(built: Build) -> None:
    write(built.source, "not built yet")
    built.keep()

    assert not built.put_back()


def test_nothing_is_kept_before_the_first_build(tmp_path: Path) -> None:
    made = Build(tmp_path)
    made.keep()

    assert not made.put_back()
