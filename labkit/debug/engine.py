"""A vLLM script in the background: waited for by what it writes, found by the names of its processes, and ended with all of them."""

import atexit
import contextlib
import re
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from labkit.debug import guard
from labkit.live import LiveTail, ending, tail
from labkit.messages import LearnerMessage, explain_os_error
from labkit.runner import Run

TICK_SECONDS = 0.1
START_SECONDS = 300.0  # an engine starts in 10 to 70 s; the first time in a fresh cache it takes longer
_running: dict[Path, "Engine"] = {}  # by log: a cell that is run again replaces what it started


class Engine:
    """A script in the background. What it prints goes to `log`; it is ended with all its processes at the latest with the kernel.

    `env` is added to this process's environment. An earlier engine with the same log is ended first. Raises LearnerMessage when the
    program or the folder is not there.
    """

    def __init__(self, command: Sequence[object], *, log: Path, cwd: Path, env: Mapping[str, str] | None = None) -> None:
        if earlier := _running.pop(log, None):
            earlier.end()
        self.command, self.log = tuple(map(str, command)), log
        self.script = next((Path(part).name for part in self.command if part.endswith(".py")), Path(self.command[0]).name)
        self._began, self._seconds = time.monotonic(), 0.0
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("wb") as stream:
                self._process = guard.start(
                    self.command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT
                )
        except OSError as error:
            raise explain_os_error(error, f"starting {self.script}") from None
        _running[log] = self

    @property
    def alive(self) -> bool:
        """Whether the script still runs."""
        if self._process.poll() is not None and not self._seconds:
            self._seconds = time.monotonic() - self._began
        return self._process.returncode is None

    def wait_for(self, pattern: str, timeout: float = START_SECONDS) -> str:
        """Wait until the log has a line that matches, and return the match's first group, or all of it.

        Raises LearnerMessage when the script ends before, or after `timeout` seconds (the script is ended then), or when the learner
        interrupts.
        """
        sought, deadline = re.compile(pattern), time.monotonic() + timeout
        with self._watched(f"{self.script} in the background, until it says {pattern!r}") as live:
            while True:
                running, said = self.alive, self.said()
                if found := sought.search(said):
                    return found.group(sought.groups and 1)
                if not running:
                    raise self._failed(f"{self.script} ended before that ({ending(self._exit_code(), None)})", said)
                if time.monotonic() > deadline:
                    self.end()
                    raise self._failed(f"{self.script} did not say {pattern!r} within {timeout:.0f} s and was ended", said)
                live.update(said.splitlines(keepends=True)[-20:], time.monotonic() - self._began)
                self._pause()

    def finish(self, timeout: float = 120.0) -> Run:
        """Wait for the script's end and return its run. After `timeout` seconds it is ended, and the run says so."""
        deadline = time.monotonic() + timeout
        with self._watched(f"{self.script}, until its end") as live:
            while self.alive and time.monotonic() < deadline:
                live.update(self.said().splitlines(keepends=True)[-20:], time.monotonic() - self._began)
                self._pause()
        late = self.alive
        self.end()
        return Run(self.command, self._exit_code(), self._seconds, self.said(), self.log, late)

    def processes(self) -> dict[str, int]:
        """Return the process ids by name: the script under its file's name, and vLLM's processes under the names they gave themselves.

        Empty before the script has begun, and after its end.
        """
        with contextlib.suppress(psutil.NoSuchProcess):
            family = psutil.Process(self._process.pid).children(recursive=True)
            script = {self.script: family[0].pid} if family else {}
            return script | {name: p.pid for p in family[1:] if (name := _name(p)).startswith("VLLM::")}
        return {}

    def said(self) -> str:
        """Return what the log holds by now."""
        return self.log.read_text(errors="replace")

    def end(self) -> None:
        """End the script and every process of its family; nothing happens when they have ended."""
        guard.end(self._process)
        if _running.get(self.log) is self:
            del _running[self.log]
        _ = self.alive  # takes the time

    def _exit_code(self) -> int:
        return guard.exit_code(self._process.wait())

    def _pause(self) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=TICK_SECONDS)

    @contextlib.contextmanager
    def _watched(self, title: str) -> Iterator[LiveTail]:
        live = LiveTail(title, enabled=True)
        try:
            yield live
        except KeyboardInterrupt:
            self.end()
            raise LearnerMessage(f"Interrupted; {self.script} and its children were ended.", "Run the cell that starts it again.") from None
        finally:
            live.clear()

    def _failed(self, happened: str, said: str) -> LearnerMessage:
        last = "".join(f"    {line}\n" for line in tail(said, 8))
        return LearnerMessage(
            f"{happened}. It said last:\n{last}", f"Everything it said is in {self.log.name}, in the lesson's folder work/."
        )


def _name(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return process.name().strip()
    return ""


@atexit.register
def _end_all() -> None:
    """The guards would see to it as well, a moment later."""
    for engine in list(_running.values()):
        engine.end()
