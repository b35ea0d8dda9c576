"""A recorded cuda-gdb session that answers what it was asked when it was recorded. For machines without a GPU."""

import re

from labkit import show
from labkit.checks.cuda_recorded import recording
from labkit.checks.transcripts import full
from labkit.debug import gdb_text
from labkit.debug.transcript import Transcript, Turn

FOCUS = "cuda block "
ONLY_FOCUS = "Recorded is only the focus on your block and thread: cuda block (B,0,0) thread (T,0,0), with your numbers for B and T"
MACHINE = "an NVIDIA H100"


class Replay:
    """Stands in for a live session (labkit.debug.gdb.Gdb). What moves the program goes forward only, one after the other; a change of focus finds
    its place anywhere; what only looks is answered where it was asked when this was recorded."""

    def __init__(self, name: str, dialogue: str = "session") -> None:
        found = recording(name).dialogues[dialogue]["turns"]
        self._recorded = [(str(turn["typed"]), str(turn["said"])) for turn in found]
        self._name, self._state = name, -1  # the last turn that moved the program, or the focus
        self.transcript = Transcript("cuda-gdb", "(cuda-gdb) ")

    def type(self, line: str, timeout: float = 0.0) -> str:  # noqa: ARG002 (a live session needs it)
        """Type one command and return what cuda-gdb said to it when this was recorded."""
        places = self._places(spelt(line))
        if not places:
            return self._instead(spelt(line))
        for place in places:
            typed, said = self._recorded[place]
            self.transcript.turns.append(Turn(typed, said))
            if not inspects(typed):
                self._state = place
        return said

    def cell(self, text: str) -> None:
        """Type a cell's commands one by one, each shown with its answer."""
        for command in gdb_text.commands_in(text):
            said = self.type(command)
            show.text(gdb_text.shown(f"{self.transcript.prompt}{command}\n{said}"))

    def facts(self) -> "dict[str, object]":
        """Return the session as a record keeps it, with the name of the recording."""
        return {**self.transcript.facts(), "recording": self._name}

    def close(self) -> None:
        """There is nothing to end."""

    def _places(self, wanted: str) -> list[int]:
        """The recorded turns that answer a command: one; of `next N`, N times `next`; none where the recording has it not in this state."""
        following = [n for n in range(self._state + 1, len(self._recorded)) if not inspects(self._recorded[n][0])]
        if wanted.startswith(FOCUS):
            return [n for n, (typed, _) in enumerate(self._recorded) if spelt(typed) == wanted][:1]
        if inspects(wanted):
            end = following[0] if following else len(self._recorded)
            return [n for n in range(self._state + 1, end) if spelt(self._recorded[n][0]) == wanted][:1]
        if following and spelt(self._recorded[following[0]][0]) == wanted:
            return following[:1]
        times = int(found[1]) if (found := re.fullmatch(r"next (\d{1,2})", wanted)) else 0
        return following[:times] if times and all(self._recorded[n][0] == "next" for n in following[:times]) else []

    def _instead(self, wanted: str) -> str:
        """What stands in for an answer that the recording has not."""
        if wanted.partition(" ")[0] == "cuda":
            return f"[{ONLY_FOCUS}]"
        following = [typed for typed, _ in self._recorded[self._state + 1 : self._state + 5]]
        return f"[In the recording nobody typed this here. It goes on with: {'; '.join(following) or 'nothing, this is its end'}]"


def spelt(command: str) -> str:
    """Return a command as the recording spells it: "p/x a" is "print/x a", "cuda block 2 thread 40" is "cuda block (2,0,0) thread (40,0,0)"."""
    style = re.search(r"^\w+ ?(/\w+)", command.strip())
    plain = re.sub(r"^(\w+) /\w+", r"\1", command.strip())
    words = full(plain).partition(" ")
    text = re.sub(r"\b(block|thread) (\d+)\b", r"\1 (\2,0,0)", re.sub(r"\(\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*\)", r"(\1,\2,\3)", words[2]))
    return " ".join(f"{words[0]}{style[1] if style else ''} {text}".split())


def inspects(command: str) -> bool:
    """Whether a command only looks, and so leaves the program where it is."""
    return full(command).partition(" ")[0] in ("print", "info", "backtrace", "list", "x", "ptype")
