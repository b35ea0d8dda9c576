"""What was typed into a debugger and what it answered: shown in the notebook as a dialogue, kept in the evidence as data."""

import re
from dataclasses import dataclass, field

from pydantic import JsonValue

from labkit.redact import redact

MAX_FRAMES = 60  # of a stop at a breakpoint, kept in the evidence
MAX_STEP_FRAMES = 2  # of any other stop: one step is like the next
MAX_NAME = 160  # characters of a function's name: those of templates have thousands
ENVIRONMENT = re.compile(r"environ|\benv\b")
HEAD, TAIL = 5000, 2900  # characters kept of an answer that is longer; `thread apply all` shows a process's first thread last


@dataclass(frozen=True)
class Frame:
    """One C or C++ frame. `file` and `line` are "" and 0 without debug information."""

    function: str
    file: str = ""
    line: int = 0


@dataclass(frozen=True)
class Stop:
    """The program stopped: why ("breakpoint-hit", "end-stepping-range", "exited-normally", ...), and its frames, innermost first."""

    reason: str
    frames: tuple[Frame, ...] = ()


@dataclass(frozen=True)
class Turn:
    """One command, the debugger's answer, and where the program stopped if the command ran it."""

    typed: str
    said: str
    stop: Stop | None = None


@dataclass
class Transcript:
    """A dialogue. `debugger` is "gdb", "cuda-gdb" or "pdb"; `prompt` is what stands before each command."""

    debugger: str
    prompt: str
    turns: list[Turn] = field(default_factory=list)

    def text(self, first: int = 0) -> str:
        """Return the dialogue from turn `first` on, as a terminal shows it."""
        return "\n".join(f"{self.prompt}{turn.typed}\n{turn.said}".rstrip() for turn in self.turns[first:])

    def facts(self) -> dict[str, JsonValue]:
        """Return the dialogue as a record keeps it."""
        return {"debugger": self.debugger, "turns": [_facts(turn) for turn in self.turns]}


def _facts(turn: Turn) -> JsonValue:
    """Redacted before it is cut, or half a path would stay; an answer that shows the environment is nobody's business."""
    said = "(left out: it shows the environment)" if ENVIRONMENT.search(turn.typed) else redact(turn.said)
    stop = turn.stop
    kept = MAX_FRAMES if stop and stop.reason == "breakpoint-hit" else MAX_STEP_FRAMES
    frames: JsonValue = [[f.function[:MAX_NAME], f.file, f.line] for f in stop.frames[:kept]] if stop else []
    return {"typed": turn.typed, "said": _kept(said), **({"stop": stop.reason, "frames": frames} if stop else {})}


def _kept(said: str) -> str:
    """Both ends of a long answer. What is kept is not longer than what a check reads (transcripts.MAX_CHARS)."""
    more = len(said) - HEAD - TAIL
    return said if more <= 0 else f"{said[:HEAD]}\n[… {more:,} characters left out …]\n{said[-TAIL:]}"
