"""A live gdb (or cuda-gdb) in a notebook: commands are typed cell by cell, and the dialogue is kept."""

import contextlib
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from labkit import show
from labkit.debug.gdb_text import commands_in, quoted, shown, with_last
from labkit.debug.interrupts import Interrupts
from labkit.debug.mapped import identified, libraries_of
from labkit.debug.mi import Ended, Message, Mi
from labkit.debug.transcript import MAX_FRAMES, Frame, Stop, Transcript, Turn
from labkit.live import LiveTail
from labkit.messages import LearnerMessage

TIMEOUT = 300.0  # seconds that one command may take: an engine starts in 10 to 70 under gdb, once with 100 more to compile a sampler
ASK_SECONDS = 60.0  # for what gdb answers without running the program
DRAIN = "-gdb-show confirm"  # any question: its answer comes when gdb waits for a command again
PENDING = re.compile(r"reakpoint \d+ \(([^)\n]{1,120})\) pending")


class Gdb:
    """One debugger session. `command` starts gdb, MI included; `log` is where the program's own output goes.

    The session holds its program, memory included, until `close`, or until the kernel ends.
    """

    def __init__(
        self, command: Sequence[str], *, cwd: Path, log: Path | None = None, env: Mapping[str, str] | None = None, name: str = "gdb"
    ) -> None:
        self._live: LiveTail | None = None  # while the program runs
        self._mi: Mi | None = Mi(command, cwd=cwd, env=env or {})
        self._log, self._cwd = log, cwd
        self._pid, self._mapped, self._interrupts, self._broken_in = 0, list[str](), Interrupts(), False
        self.transcript = Transcript(name, f"({name}) ")
        self._ask("-gdb-set mi-async off", TIMEOUT)  # waits for gdb to have read its init file and the program

    # Typing

    def type(self, line: str, timeout: float = TIMEOUT) -> str:
        """Type one command and return gdb's answer. A command that runs the program returns when it stops.

        After `timeout` seconds gdb and its program are ended and LearnerMessage is raised. Interrupting the kernel interrupts the
        program, as Ctrl-C does in a terminal.
        """
        if line.rstrip().endswith("&"):
            raise LearnerMessage(
                "`&` lets the program run in the background, and the next answer would not come.", "Type it without the `&`."
            )
        block = line.split("\n")
        said, stopped = self._ask(f"-interpreter-exec console {quoted(self._as_one_line(block))}", timeout)
        if line.split()[:1] == ["attach"]:  # answered before the program has stopped: the rest would be part of the next answer
            said = f"{said}\n{self._ask(DRAIN, timeout)[0]}".rstrip()
        stop = self._stop(stopped) if stopped else None
        self.transcript.turns.append(Turn(line.strip(), said, stop))
        return said

    def cell(self, text: str, timeout: float = TIMEOUT) -> None:
        """Type a cell's commands one by one, each shown with its answer. Empty lines and comments are left out."""
        self._broken_in = False
        for command in commands_in(text):
            said = self.type(command, timeout)
            show.text(shown(f"{self.transcript.prompt}{command}\n{said}"))
            if self._broken_in:
                show.text("[stopped by you; `continue` goes on]")
                break
        for name in self._never_found():
            show.text(f"[no library had {name}: is it spelt right? Braces, {{NAME}}, take the notebook's value]")

    def _as_one_line(self, block: list[str]) -> str:
        """A block (commands ... end) goes in as a file, because MI takes one line at a time."""
        if len(block) == 1:
            return block[0].strip()
        script = self._cwd / ".block.gdb"
        script.write_text("\n".join(block) + "\n")
        return f"source {script}"

    def _never_found(self) -> list[str]:
        """When the program has ended, the breakpoints that no library had a place for."""
        turns = self.transcript.turns
        if not turns or turns[-1].stop is None or not turns[-1].stop.reason.startswith("exited"):
            return []
        stopped = any(turn.stop and turn.stop.reason == "breakpoint-hit" for turn in turns)
        return [] if stopped else [name for turn in turns for name in PENDING.findall(turn.said)]

    # What there is to know

    def facts(self) -> dict[str, JsonValue]:
        """Return the session as a record keeps it: the dialogue, and the libraries of the program's last stop as [name, build-id]."""
        mapped: JsonValue = [list(pair) for pair in identified(self._mapped)]
        return {**self.transcript.facts(), "mapped": mapped}

    @property
    def pid(self) -> int:
        """The process that is being debugged, 0 before there is one."""
        return self._pid

    # Ending

    def close(self) -> None:
        """End gdb and the program that it started; a program that it is attached to goes on."""
        self._end(politely=True)

    def _end(self, politely: bool) -> None:
        mi, self._mi = self._mi, None
        if mi is not None:
            mi.end(politely)

    # MI

    def _ask(self, command: str, timeout: float) -> tuple[str, Message | None]:
        """Send a command; return what gdb said, and the message that the program stopped, if the command made it run."""
        if self._mi is None:
            raise LearnerMessage("This gdb session is over.", "Run the cell that starts it again.")
        said = list[str]()
        try:
            with self._interrupts.noting():
                return self._listen(self._mi, self._mi.send(command), timeout, said)
        except TimeoutError:
            self._end(politely=False)  # it does not listen
            happened = f"{self.transcript.debugger} gave no prompt for {timeout:.0f} s; it and what it had started were ended."
            raise LearnerMessage(with_last(happened, said), "Does the program wait for something? Start the session again.") from None
        except Ended:
            self._end(politely=False)
            raise LearnerMessage(with_last(f"{self.transcript.debugger} has ended.", said), "Run the cell that starts it again.") from None
        finally:
            if self._live is not None:
                self._live.clear()
                self._live = None

    def _listen(self, mi: Mi, token: int, timeout: float, said: list[str]) -> tuple[str, Message | None]:
        """Read messages until gdb waits for a command again. A breakpoint's own commands may print, and set the program running again: so
        a stop counts when gdb answers a question that was sent after it."""
        began, stopped, idle = time.monotonic(), None, token
        while True:
            message = self._receive(mi, began, timeout)
            if message is None:
                if idle != token:
                    self._show_life(time.monotonic() - began)
            elif message["type"] == "console":
                said.append(str(message["payload"]))
            elif message["type"] == "result":
                if message["message"] == "error" and message["token"] == token:
                    said.append(f"{message['payload'].get('msg', '')}\n")
                if message["message"] == "running":
                    idle = -1  # now the next stop counts
                elif message["token"] == idle:
                    return "".join(said).rstrip(), stopped
            elif message["message"] == "thread-group-started":
                self._pid = int(message["payload"]["pid"])
            elif message["message"] == "stopped" and idle != token:
                stopped, idle = message, mi.send(DRAIN)

    def _receive(self, mi: Mi, began: float, timeout: float) -> Message | None:
        message = mi.receive(began + timeout)
        if self._interrupts.pressed:
            self._broken_in = True
            if message is None:
                mi.interrupt()  # again and again until the program stops: gdb loses one that comes while it is busy
            elif message["message"] == "stopped":
                self._interrupts.pressed = False
        return message

    def _show_life(self, seconds: float) -> None:
        """While the program runs, show its last lines."""
        if self._log is not None and self._log.is_file():
            self._live = self._live or LiveTail("the program runs; its last lines", enabled=True)
            self._live.update(self._log.read_text(errors="replace").splitlines(keepends=True)[-20:], seconds)

    def _stop(self, message: Message) -> Stop:
        payload = message["payload"] or {}
        reason = str(payload.get("reason", "stopped"))
        if reason.startswith("exited"):
            return Stop(reason)
        self._mapped = libraries_of(self._pid) or self._mapped
        found = self._result(f"-stack-list-frames 0 {MAX_FRAMES - 1}").get("stack", [])
        return Stop(reason, tuple(Frame(str(f.get("func", "??")), str(f.get("file", "")), int(f.get("line", 0))) for f in found))

    def _result(self, command: str) -> dict[str, Any]:
        """Return the payload of an MI command's result, {} for an error."""
        with contextlib.suppress(TimeoutError, Ended):
            assert self._mi is not None
            token, deadline = self._mi.send(command), time.monotonic() + ASK_SECONDS
            while True:
                message = self._mi.receive(deadline)
                if message is not None and message["type"] == "result" and message["token"] == token:
                    return dict(message["payload"] or {})
        return {}
