"""A recorded cuda-gdb session that answers what it was asked when it was recorded. For machines without a GPU."""

import re

from labkit import show
from labkit.checks.cuda_recorded import recording
from labkit.debug.gdb_text import commands_in
from labkit.debug.transcript import Transcript, Turn

FOCUS = "cuda block "
MACHINE = "an NVIDIA H100"
SHOWN_WIDTH, SHOWN_END = 240, 80  # of a line; a place stands at its end
TEMPLATE = re.compile(r"(?<=_kernel)<[^<>]{20,}>")  # arguments that fill a screen


class Replay:
    """Stands in for a live session (labkit.debug.gdb.Gdb). It goes forward only; a change of focus finds its place anywhere."""

    def __init__(self, name: str, dialogue: str = "session") -> None:
        found = recording(name).dialogues[dialogue]["turns"]
        self._recorded = [(str(turn["typed"]), str(turn["said"])) for turn in found]
        self._name, self._at = name, 0
        self.transcript = Transcript("cuda-gdb", "(cuda-gdb) ")

    def type(self, line: str, timeout: float = 0.0) -> str:  # noqa: ARG002 (a live session needs it)
        """Type one command and return what cuda-gdb said to it when this was recorded."""
        wanted = " ".join(line.split())
        place = self._place(wanted)
        if place is None:
            return f"[In the recording nobody typed this here. It goes on with: {'; '.join(self._next()) or 'nothing, this is its end'}]"
        self._at = place + 1
        self.transcript.turns.append(Turn(wanted, self._recorded[place][1]))
        return self._recorded[place][1]

    def cell(self, text: str) -> None:
        """Type a cell's commands one by one, each shown with its answer."""
        for command in commands_in(text):
            said = self.type(command)
            show.text("\n".join(clipped(line) for line in f"{self.transcript.prompt}{command}\n{said}".rstrip().splitlines()))

    def facts(self) -> "dict[str, object]":
        """Return the session as a record keeps it, with the name of the recording."""
        return {**self.transcript.facts(), "recording": self._name}

    def close(self) -> None:
        """There is nothing to end."""

    def _place(self, wanted: str) -> int | None:
        """Where the recording has this command: from here to the next change of focus, or a change of focus anywhere."""
        if wanted.startswith(FOCUS):
            return next((number for number, (typed, _) in enumerate(self._recorded) if typed == wanted), None)
        for number in range(self._at, len(self._recorded)):
            if self._recorded[number][0].startswith(FOCUS):
                return None
            if self._recorded[number][0] == wanted:
                return number
        return None

    def _next(self) -> list[str]:
        return [typed for typed, _ in self._recorded[self._at : self._at + 4]]


def clipped(line: str) -> str:
    """Return a line as the notebook shows it: without the template arguments of a kernel, and with its middle left out if it is still long."""
    line = TEMPLATE.sub("<…>", line)
    return line if len(line) <= SHOWN_WIDTH else f"{line[: SHOWN_WIDTH - SHOWN_END - 3]} … {line[-SHOWN_END:]}"
