"""A live pdb in a notebook: commands are typed cell by cell, and the dialogue is kept."""

import re
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

from labkit import show
from labkit.debug.transcript import Stop, Transcript, Turn
from labkit.debug.wire import Bounded, Connection, Pipes, Program, Wire
from labkit.live import LiveTail, tail, without_colours
from labkit.messages import LearnerMessage

PROMPT, MORE = "(Pdb) ", "...   "  # from Python 3.13 on pdb asks for the rest of a statement that is not complete
START_SECONDS, TIMEOUT = 300.0, 120.0  # until the first prompt: an engine's start; until the next one
TICK_SECONDS = 0.1  # without output; then what looks like a prompt is asked whether it is one
PATIENCE_SECONDS = 2.0  # before the program's output is shown while it runs
SHOWN_LINES, SHOWN_WIDTH = 60, 190
READ_ON = ("commands", "interact")  # commands that read further lines, at prompts of their own
_STOPPED = re.compile(r"> [^\n]*\(\d+\)[^\n]*\n-> ")


class Pdb:
    """One pdb session, at the breakpoint of a program. It ends with the program, by `close`, or with the kernel.

    `opening` is where the program stopped first: pdb's lines before its first prompt.
    """

    def __init__(self, wire: Wire, timeout: float) -> None:
        self._wire, self._secret, self._asked, self._over = wire, f"labkit-{secrets.token_hex(4)}", 0, False
        self.transcript = Transcript("pdb", PROMPT)
        try:
            self.opening = self._first_stop(timeout)
        except BaseException:
            self.close()
            raise
        show.text(_clipped(self.opening))

    def _first_stop(self, timeout: float) -> str:
        """Wait for the first prompt and return pdb's lines before it, without what the program printed."""
        said = self._listen(timeout)
        if self._over:
            raise _with_last(f"The program ended before any breakpoint ({self._wire.how_it_ended() or 'it hung up'}).", said,
                             "Is the line with breakpoint() reached, and in the process that you started?")  # fmt: skip
        stops = list(_STOPPED.finditer(said))
        return said[stops[-1].start() :] if stops else "\n".join(said.splitlines()[-4:])

    @classmethod
    def start(
        cls, command: Sequence[object], *, cwd: Path, log: Path, env: Mapping[str, str] | None = None, timeout: float = START_SECONDS
    ) -> "Pdb":
        """Start a program and wait for its breakpoint. Raises LearnerMessage when it ends, or reaches none in `timeout` seconds."""
        return cls(Pipes(command, cwd=cwd, log=log, env=env), timeout)

    @classmethod
    def connect(cls, port: int, program: Program, timeout: float = TIMEOUT) -> "Pdb":
        """Connect to a program that waits at remote_pdb's port. It takes one connection, and dies (bdb.BdbQuit) if that ends too early."""
        return cls(Connection(port, program), timeout)

    @property
    def over(self) -> bool:
        """Whether the program went on to its end, or was ended."""
        return self._over

    # Typing

    def type(self, line: str, timeout: float = TIMEOUT) -> str:
        """Type one command and return pdb's answer: what was written until its next prompt, or until the program's end.

        After `timeout` seconds the session and its program are ended and LearnerMessage is raised. Interrupting the kernel only stops the
        waiting: the next command finds the answer.
        """
        if self._over:
            raise LearnerMessage(
                "This pdb session is over: its program went on to its end, or was ended.", "Run the cell that starts it again."
            )
        if (line.split() or [""])[0] in READ_ON:
            raise LearnerMessage(f"`{line.split()[0]}` reads further lines, and here each line is a command.", "Try it in a terminal.")
        self._wire.send(f"{line}\n")
        said = self._listen(timeout)
        self.transcript.turns.append(Turn(line.strip(), said, Stop("exited") if self._over else None))
        return said

    def cell(self, text: str, timeout: float = TIMEOUT) -> None:
        """Type a cell's lines one by one, each shown with its answer. Empty lines and comments are left out."""
        for line in text.splitlines():
            if line.strip() and not line.strip().startswith("#"):
                said = self.type(line, timeout)
                show.text(f"{PROMPT}{line.strip()}\n{_clipped(said)}".rstrip())
        if self._over:
            show.text(f"[the program has ended{': ' + how if (how := self._wire.how_it_ended()) else ''}]")

    # Ending

    def close(self) -> None:
        """End the session, and its program with all its processes."""
        self._over = True
        self._wire.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Listening

    def _listen(self, timeout: float) -> str:
        """Wait for pdb's next prompt, or the program's end, and return what was written before it."""
        text, began = "", time.monotonic()
        live: LiveTail | None = None
        try:
            for text in self._until_prompt():
                waited = time.monotonic() - began
                if waited > timeout:
                    raise TimeoutError
                if waited > PATIENCE_SECONDS:
                    live = live or LiveTail("the program runs; its last lines", enabled=True)
                    live.update(_tidy(text).splitlines(keepends=True)[-20:], waited)
        except KeyboardInterrupt:
            raise LearnerMessage(
                "Interrupted while the program runs; it runs on.", "The next command waits for it; `pdb.close()` ends it."
            ) from None
        except TimeoutError:
            self.close()
            raise _with_last(f"pdb gave no prompt for {timeout:.0f} s; the session and its program were ended.", _tidy(text),
                             "Does the program wait for something? Start it again.") from None  # fmt: skip
        finally:
            if live is not None:
                live.clear()
        return self._answer(text)

    def _until_prompt(self) -> Iterator[str]:
        """Yield what was written so far, again and again, until pdb prompts or the other end is closed.

        A program may print what looks like a prompt: so pdb is asked to say a word that nobody else knows.
        """
        self._asked += 1
        word, kept, asked = f"{self._secret}-{self._asked}", Bounded(), False
        certain = re.compile(rf"'{word}'\n{re.escape(PROMPT)}$")
        while not certain.search(kept.text):
            chunk = self._wire.receive(TICK_SECONDS)
            if chunk == b"":
                self._over = True
                break
            if chunk:
                kept.add(chunk)
                asked = False
            elif not asked and kept.text.endswith((PROMPT, MORE)):
                self._wire.send(f"p '{word}'\n")
                asked = True
            yield kept.text
        yield kept.text

    def _answer(self, text: str) -> str:
        """Take out the questions that only we asked, and the prompt at the end."""
        text = re.sub(rf"'{self._secret}-\d+'\n{re.escape(PROMPT)}", "", text)
        return _tidy(re.sub(rf"(?:{re.escape(PROMPT)})+$", "", text)).rstrip()


def _tidy(text: str) -> str:
    """A text without colours, and of each line what a terminal would show in the end (progress bars write over themselves)."""
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in without_colours(text).split("\n"))


def _clipped(text: str) -> str:
    lines = [line if len(line) <= SHOWN_WIDTH else line[: SHOWN_WIDTH - 1] + "…" for line in text.splitlines()]
    half = SHOWN_LINES // 2
    shown = lines if len(lines) <= SHOWN_LINES else [*lines[:half], f"[… {len(lines) - 2 * half} lines left out …]", *lines[-half:]]
    return "\n".join(shown)


def _with_last(happened: str, said: str, next_step: str) -> LearnerMessage:
    last = "".join(f"    {line}\n" for line in tail(said, 8))
    return LearnerMessage(f"{happened} It said last:\n{last}" if last else happened, next_step)
