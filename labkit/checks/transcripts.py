"""How checks read a debugger's dialogue in a record. The record is hostile input: what has the wrong shape counts as nothing."""

import re
from dataclasses import dataclass
from typing import Any

from labkit.records import Record

MAX_TURNS = 300
MAX_CHARS = 8000  # of one answer
HITS = re.compile(r"already hit (\d{1,9}) times?")
LOCAL = re.compile(r"^(\w{1,60}) = (.{1,200})$", re.MULTILINE)
VALUE = re.compile(r"^\$\d{1,4} = (-?\d{1,18})\b", re.MULTILINE)
CHANGED = re.compile(r"^New value = (-?\d{1,18})\b", re.MULTILINE)
COMMANDS = (  # that checks look for, each with what gdb takes for it besides its own beginning
    ("break", "b"), ("tbreak", "tb"), ("run", "r"), ("continue", "c", "fg"), ("next", "n"), ("step", "s"), ("finish",), ("until", "u"), ("advance",),
    ("start",), ("stepi", "si"), ("nexti", "ni"), ("backtrace", "bt", "where"), ("print", "p", "inspect"), ("info", "i"), ("watch",), ("ignore",),
    ("delete", "d"), ("list", "l"), ("skip",), ("py-bt",), ("cuda",), ("target",), ("thread", "t"),
)  # fmt: skip
ABOUT = ("locals", "args", "breakpoints")  # what `info` is asked for; gdb takes a beginning
RUNS = {"run", "start", "continue", "next", "step", "stepi", "nexti", "finish", "until", "advance"}
PYTHON_FRAME = re.compile(r'File "([^"\n]{1,300})", line (\d{1,7}|\?),? in ([\w<>.]{1,120})')


@dataclass(frozen=True)
class Place:
    """One frame of a stop."""

    function: str
    file: str
    line: int


@dataclass(frozen=True)
class Said:
    """One turn of a dialogue; `stop` is "" and `frames` is empty where the program did not run."""

    typed: str
    said: str
    stop: str = ""
    frames: tuple[Place, ...] = ()

    @property
    def command(self) -> str:
        """The command's first word, written out: gdb takes its beginning."""
        return (full(self.typed).split() or [""])[0]

    @property
    def top(self) -> Place:
        """The innermost frame, an empty one where there is none."""
        return self.frames[0] if self.frames else Place("", "", 0)


def turns(record: Record) -> list[Said]:
    """Return the dialogue that a record keeps."""
    found = record.facts.get("turns")
    return [_turn(turn) for turn in found[:MAX_TURNS] if isinstance(turn, dict)] if isinstance(found, list) else []


def _turn(turn: dict[str, Any]) -> Said:
    frames = turn.get("frames")
    places = tuple(place for frame in (frames[:100] if isinstance(frames, list) else []) if (place := _place(frame)))
    typed = _text(turn.get("typed"))
    runs = full(typed).partition(" ")[0] in RUNS  # nothing else can lead to a stop
    return Said(typed, _text(turn.get("said")), _text(turn.get("stop")) if runs else "", places if runs else ())


def _place(frame: object) -> Place | None:
    if isinstance(frame, list) and len(frame) == 3 and isinstance(frame[0], str) and isinstance(frame[1], str) and type(frame[2]) is int:
        return Place(frame[0], frame[1], frame[2])
    return None


def _text(value: object) -> str:
    return value[:MAX_CHARS] if isinstance(value, str) else ""


def stops(dialogue: list[Said], reason: str = "breakpoint-hit") -> list[Said]:
    """Return the turns that ended in a stop of this kind."""
    return [turn for turn in dialogue if turn.stop == reason]


def typed(dialogue: list[Said], *commands: str) -> list[Said]:
    """Return the turns with one of these commands, however short it was typed."""
    return [turn for turn in dialogue if any(full(turn.typed) == c or full(turn.typed).startswith(f"{c} ") for c in commands)]


def full(typed: str) -> str:
    """Return a command as gdb reads it: "bt 3" is "backtrace 3", "i loc" is "info locals", "p/d x" is "print x"."""
    first, _, rest = typed.strip().partition(" ")
    word = first.partition("/")[0]
    name = next((c[0] for c in COMMANDS if word in c), "") or next(
        (c[0] for c in COMMANDS if len(word) > 1 and c[0].startswith(word)), word
    )
    what, _, more = rest.strip().partition(" ")
    if name == "info" and what:
        what = next((a for a in ABOUT if a.startswith(what)), what)
    return " ".join(filter(None, (name, what, more.strip())))


def locals_shown(turn: Said) -> dict[str, str]:
    """Return the variables of an `info locals` answer."""
    return dict(LOCAL.findall(turn.said))


def hits_shown(turn: Said) -> list[int]:
    """Return the counts of an `info breakpoints` answer."""
    return [int(count) for count in HITS.findall(turn.said)]


def values_seen(turn: Said) -> list[int]:
    """Return the new values that a watchpoint reported."""
    return [int(value) for value in CHANGED.findall(turn.said)]


def values_printed(dialogue: list[Said]) -> list[int]:
    """Return the integers that `print` answered, in order."""
    return [int(value) for turn in typed(dialogue, "print") for value in VALUE.findall(turn.said)]


def python_frames(turn: Said) -> list[tuple[str, str]]:
    """Return (file, function) of the Python frames in a `py-bt` answer, innermost first."""
    return [(file, function) for file, _, function in PYTHON_FRAME.findall(turn.said)]
