"""Show a running command's last lines in the notebook, and plain text where there is no notebook."""

import re
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

REFRESH_SECONDS = 1.0
TAIL_LINES = 12
_NUMBERS = re.compile(r"[\d.:,\s█-▏#=|\[\]<>%?]|it/s|s/it")  # what changes from one line of a progress bar to the next
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")  # colours and cursor moves: noise in a notebook, and to a screen reader


class LiveTail:
    """A display that is rewritten once a second while a command runs, and closed with its result."""

    def __init__(self, title: str, *, enabled: bool) -> None:
        self._title = title if len(title) <= 400 else title[:399] + "…"
        self._handle = _display_handle() if enabled else None
        self._enabled, self._shown = enabled, 0.0
        if self._handle is not None:
            self._show(f"$ {self._title}")

    def update(self, lines: Sequence[str], seconds: float) -> None:
        """Show the last lines; at most once a second."""
        if self._handle is not None and time.monotonic() - self._shown >= REFRESH_SECONDS:
            self._shown = time.monotonic()
            self._show(f"$ {self._title}\n{_last(lines)}[running, {seconds:.0f} s; interrupt the kernel to stop it]")

    def close(self, lines: Sequence[str], seconds: float, exit_code: int, timeout: float | None, log: Path) -> None:
        """Leave the last lines and how the command ended."""
        if not self._enabled:
            return
        more = f"… the end of {len(lines)} lines; all of them are in {_near(log)}\n" if len(lines) > TAIL_LINES else ""
        self._show(f"$ {self._title}\n{more}{_last(lines)}[{ending(exit_code, timeout)}, {seconds:.1f} s]")

    def clear(self) -> None:
        """Leave nothing behind: for a command whose result is shown elsewhere."""
        if self._handle is not None:
            self._show("")

    def _show(self, text: str) -> None:
        if self._handle is not None:
            self._handle.update({"text/plain": text}, raw=True)
        else:
            sys.stdout.write(text + "\n")


def ending(exit_code: int, timeout: float | None) -> str:
    """Say in words how a command ended."""
    if timeout is not None:
        return f"ended after its limit of {timeout:.0f} s"
    if exit_code < 0:
        return f"ended by signal {-exit_code} ({signal.Signals(-exit_code).name})"
    return f"exit code {exit_code}"


def without_colours(text: str) -> str:
    """Return a text without colours and cursor moves."""
    return _ANSI.sub("", text)


def tail(output: str, count: int) -> list[str]:
    """Return the last lines of an output that are not empty, without colours."""
    return [_ANSI.sub("", line)[:300] for line in output.splitlines() if line.strip()][-count:]


def _last(lines: Sequence[str]) -> str:
    return "".join(f"{_ANSI.sub('', line).rstrip()[:300]}\n" for line in _collapse(lines)[-TAIL_LINES:])


def _collapse(lines: Sequence[str]) -> list[str]:
    """Keep the last of neighbouring lines that differ in numbers and bars only: progress bars, repeated warnings."""
    kept: list[str] = []
    for line in list(lines)[-200:]:
        if kept and _NUMBERS.sub("", kept[-1]) == _NUMBERS.sub("", line):
            kept.pop()
        kept.append(line)
    return kept


def _near(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _display_handle() -> Any:
    """Return an IPython display handle inside a kernel, None elsewhere."""
    if "ipykernel" not in sys.modules:
        return None
    from IPython.display import DisplayHandle

    handle = DisplayHandle()
    handle.display({"text/plain": ""}, raw=True)
    return handle
