"""What lesson 03 works with: gdb sessions for a cell's commands, set up the same way each time. The commands stay in the lesson."""

import json
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from labkit import show
from labkit.build.tree import working_tree
from labkit.debug.course_gdb import find_debugger, write_course_gdb
from labkit.debug.gdb import Gdb
from labkit.debug.gdb_text import arguments, clipped
from labkit.debug.in_python import InPython
from labkit.debug.magic import Dialogue, Opened
from labkit.debug.sources import compiled_from
from labkit.lab import Lab
from labkit.messages import LearnerMessage


class Debuggers(InPython):
    """The debuggers of one lesson. Writes course.gdb into the lesson's folder; one session of each kind is open at a time.

    Raises LearnerMessage without vLLM's source.
    """

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab)
        self.lab, self.tree = lab, working_tree(lab.folder / "work", show.text)
        self.init = lab.scratch() / "course.gdb"
        write_course_gdb(self.init, compiled_from(self.tree))
        self._gdb = Dialogue("gdb", "the cell that calls debuggers.gdb(...)")

    def gdb(self, program: Sequence[object], *, cuda: bool = False) -> Gdb:
        """Start gdb (with `cuda`, cuda-gdb) on a program that `run` will start; the cells that begin with %%gdb type into it.

        What the program prints goes to program.log. An earlier session is closed, its program with it.
        """
        first, *rest = map(str, program)
        debugger, log = find_debugger(cuda=cuda), self.lab.scratch() / "program.log"
        found = shutil.which(first)
        if found is None:
            raise LearnerMessage(f"There is no program {first}.", "Give gdb a program file, such as sys.executable.")
        _refuse_scripts(Path(found))
        for word in rest:
            if word.endswith(".json"):  # what an earlier run wrote is not this one's
                (self.lab.scratch() / word).unlink(missing_ok=True)
        session = self._open(debugger, [found], log)
        session.type(arguments(rest, log))
        self._announce([Path(debugger).name, "-nx", "-ix", self.init.name, "--args", first, *rest])
        return session

    def record(self, record_id: str, session: Gdb, *, run: str = "") -> dict[str, Any]:
        """Write a session as evidence, with what its program wrote into the file `run`, and return that, {} without it.

        A session in which nothing ever stopped is not recorded: what an earlier one left stays.
        """
        if not any(turn.stop for turn in session.transcript.turns):
            show.text(f"Not recorded: {record_id}: the program was never run in this session.")
            return {}
        written = self.lab.scratch() / run
        found: dict[str, Any] = json.loads(written.read_text()) if run and written.is_file() else {}
        self.lab.record(record_id, facts={**session.facts(), **({"run": found} if run else {})})
        return found

    def run_of(self, record_id: str) -> dict[str, Any]:
        """Return what the program of a recorded session wrote, {} without a record."""
        return dict(self.lab.facts(record_id).get("run", {})) if self.lab.evidence.has(record_id) else {}

    def attach(self, pid: int) -> Gdb:
        """Start gdb on a process that runs already. When the session is closed the process goes on."""
        debugger = find_debugger(cuda=False)
        session = self._open(debugger, [], None)
        self._announce([Path(debugger).name, "-nx", "-ix", self.init.name, "-p", str(pid)])
        said = session.type(f"attach {pid}", timeout=120)
        if "ptrace:" in said or "No such process" in said or "not permitted" in said:
            self._gdb.close()
            raise LearnerMessage(
                f"gdb cannot attach to process {pid}: {said.splitlines()[-1]}",
                "Is it there, and yours? `labkit doctor` has a row for it: attach.",
            )
        show.text(clipped(said.splitlines()[-1]))  # where it stands
        return session

    def play(self, session: Opened) -> Opened:
        """Make a recorded session the one that cells with %%gdb type into."""
        self._gdb.close()
        return self._gdb.opened(session)

    def _open(self, debugger: str, program: list[str], log: Path | None) -> Gdb:
        self._gdb.close()
        name = Path(debugger).name
        command = [debugger, "-nx", "--interpreter=mi3", "-ix", str(self.init), *program]
        return self._gdb.opened(Gdb(command, cwd=self.lab.scratch(), log=log, name=name))

    def _announce(self, command: Sequence[str]) -> None:
        show.text(f"$ {shlex.join(command)}\nThe cells that begin with %%gdb type into it; it stays until you close it or the kernel ends.")


def _refuse_scripts(program: Path) -> None:
    """pyenv's and conda's `python` can be a shell script that starts Python: gdb cannot load that."""
    with program.open("rb") as stream:
        if stream.read(2) == b"#!":
            raise LearnerMessage(
                f"{program} is a script, not a program: gdb would say 'not in executable format'.",
                f"Give it the real one: {sys.executable}",
            )
