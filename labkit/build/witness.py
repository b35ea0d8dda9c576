"""Who provided a function in a run: the linker's word on the CPU lane, the dispatcher's on CUDA, and the libraries that were mapped."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labkit import show
from labkit.inspect_elf import inspect
from labkit.lane import LaneName


def facts(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run of ten_tokens.py as facts: each mapped library as [name, build-id]."""
    libraries = [[Path(path).name, inspect(Path(path)).build_id] for path in run["mapped"]]
    return {**{key: run[key] for key in ("prompt", "text", "token_ids")}, "mapped": libraries, "said": said(run)}


def said(run: Mapping[str, Any]) -> list[str]:
    """Return what the witnesses said: the linker's lines, then the dispatcher's registrations, folders left out."""
    registered = [line for line in run["dispatcher"] if re.match(r"(CPU|CUDA)( \(inactive\))?: registered", line)]
    return [*run.get("linker", ()), *(re.sub(r"/\S*/", "", line)[:300] for line in registered)]


def show_runs(runs: Mapping[str, Mapping[str, Any]], lane: LaneName) -> None:
    """Show the tokens, the mapped libraries and the witnesses' words of some runs."""
    for which, run in runs.items():
        rows = [
            ("tokens", str(run["token_ids"])),
            ("text", repr(run["text"])),
            ("mapped libraries", ", ".join(Path(path).name for path in run["mapped"])),
            *((_who(line, lane), line) for line in said(run)),
        ]
        show.table(f"{which} the overlay", ("what", "seen"), rows)


def _who(line: str, lane: LaneName) -> str:
    speaker = "ld.so" if line.startswith("binding") else "torch's dispatcher"
    return f"{speaker} ({'your witness' if (speaker == 'ld.so') == (lane == 'cpu') else 'for comparison'})"
