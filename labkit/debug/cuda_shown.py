"""What a notebook shows of the CUDA half's long runs: the lines that a lesson asks about, and signs of life."""

import re
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future, wait
from typing import Any

from labkit.checks.cuda_text import MAX_TEXT, TRACEBACK
from labkit.live import REFRESH_SECONDS, LiveTail

ENTRY = re.compile(r"=+ (?:Invalid |\s{1,8}at |\s{1,8}by thread )")  # of compute-sanitizer's report
SIGNATURE = re.compile(r"(?<=_kernel)<.{20,}\)(?=\+0x)")
RANK = re.compile(r"^\[rank\d{1,4}\]: ?")
RAISED = re.compile(r"[\w.]{1,100}(?:Error|Exception)\b")
FRAMES, WIDTH = 5, 180


def excerpt(output: str) -> str:
    """Return what a lesson asks about and the end of an output does not show: the entries of compute-sanitizer, or else the end of the first
    Python traceback; "" where there is neither."""
    lines = output[:MAX_TEXT].splitlines()
    if entries := [SIGNATURE.sub("<…>(…)", line) for line in lines if ENTRY.match(line)]:
        return "\n".join(["The report's entries:", *entries])
    return "\n".join(["The end of the first traceback:", *found]) if (found := _traceback_end(lines)) else ""


def _traceback_end(lines: list[str]) -> list[str]:
    """The innermost frames of the first traceback, without the marks below each line, and the error."""
    begin = next((n for n, line in enumerate(lines, 1) if TRACEBACK in line), len(lines))
    bare = [text for line in lines[begin:] if set(text := RANK.sub("", line).rstrip()) - set(" ^~")]
    error = next((n for n, text in enumerate(bare) if RAISED.match(text)), None)
    if error is None:
        return []
    frames = [n for n, text in enumerate(bare[:error]) if text.startswith("  File ")]
    return [text[:WIDTH] for text in bare[frames[-FRAMES] if len(frames) >= FRAMES else 0 : error + 1]]


def wait_for(work: Collection[Future[Any]], title: str, last_lines: Callable[[], list[str]]) -> None:
    """Wait until all of it is done; meanwhile show the time, and what `last_lines` returns."""
    live, began = LiveTail(title, enabled=True), time.monotonic()
    try:
        while wait(work, timeout=REFRESH_SECONDS).not_done:
            live.update(last_lines(), time.monotonic() - began)
    finally:
        live.clear()
