"""`labkit debug`: the lesson's gdb set-up in a terminal, to explore freely."""

import os
import sys
from pathlib import Path

from labkit.build.overlay import built
from labkit.debug.course_gdb import find_debugger, write_course_gdb
from labkit.debug.sources import compiled_from
from labkit.messages import LearnerMessage, explain_os_error
from labkit.sources import vllm_source


def command(work: Path, script: list[str], *, pid: int = 0, cuda: bool = False) -> list[str]:
    """Return the command that opens gdb on a Python script, or on a process. Writes course.gdb into `work`.

    Raises LearnerMessage without gdb, without vLLM's source, and when there is neither a script nor a process.
    """
    if bool(script) == bool(pid):
        raise LearnerMessage("gdb needs a script or a process.", "labkit debug SCRIPT.py ARGUMENT..., or labkit debug --pid PID")
    debugger = find_debugger(cuda=cuda)
    init, own = work / "course.gdb", work / vllm_source().name
    try:
        work.mkdir(parents=True, exist_ok=True)
        write_course_gdb(init, compiled_from(own if own.is_dir() else vllm_source()))
    except OSError as error:
        raise explain_os_error(error, f"writing {init.name}") from None
    program = ["-p", str(pid)] if pid else ["--args", sys.executable, *script]
    return [debugger, "-nx", "-ix", str(init), *program]


def environment(work: Path, overlay: str) -> dict[str, str]:
    """Return what to add to the environment: one process, and the overlay of a function, if there shall be one. Raises LearnerMessage."""
    one_process = {"VLLM_ENABLE_V1_MULTIPROCESSING": os.environ.get("VLLM_ENABLE_V1_MULTIPROCESSING", "0")}
    return {**one_process, **(built(work / "overlays" / overlay) if overlay else {})}
