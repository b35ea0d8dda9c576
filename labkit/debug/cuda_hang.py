"""A process that hangs in a kernel: seen from outside, dumped from outside, and ended. Recorded where there is no GPU."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from labkit import show
from labkit.debug.cuda_replay import MACHINE
from labkit.live import without_colours
from labkit.messages import LearnerMessage
from labkit.runner import end_group, run

READY = "the engine is ready"
START_SECONDS, HUNG_SECONDS, PATIENCE, DUMP_SECONDS = 240.0, 10.0, 4.0, 60.0
DUMP = {  # the flags leave the contents of memory out; what is left, 0.1 GB, is the machine code of all kernels that were loaded (.cudbg.relfimg)
    "CUDA_ENABLE_USER_TRIGGERED_COREDUMP": "1",
    "CUDA_COREDUMP_PIPE": "pipe.%p",
    "CUDA_COREDUMP_FILE": "hang.core.%p",
    "CUDA_COREDUMP_GENERATION_FLAGS": "skip_abort,skip_nonrelocated_elf_images,skip_global_memory,skip_shared_memory,skip_local_memory,skip_constbank_memory",
}  # fmt: skip


class Hanging:
    """A program that is started and expected to hang once it says that its engine is ready. Raises LearnerMessage if it does not.

    `close` ends it with everything that it started; so does the end of a `with` block.
    """

    def __init__(self, command: Sequence[str | Path], *, folder: Path, env: Mapping[str, str]) -> None:
        self.folder, self.log = folder, folder / "hang.log"
        for old in [*folder.glob("hang.core.*"), *folder.glob("pipe.*")]:
            old.unlink()
        with self.log.open("w") as stream:
            self._process = subprocess.Popen(
                [str(part) for part in command], cwd=folder, env={**os.environ, **env}, stdout=stream, stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL, start_new_session=True, text=True,
            )  # fmt: skip
        self.pid, self.notes = self._process.pid, dict[str, Any]()
        try:
            self._wait(lambda: READY in self.said(), START_SECONDS, "did not get its engine ready")
            time.sleep(HUNG_SECONDS)  # ten tokens take a second
            self._check_alive("ended by itself: nothing hangs")
        except BaseException:
            self.close()
            raise
        self.notes["gpu"] = _gpu_load(folder / "nvidia-smi.log")
        show.text(f"Process {self.pid} is ready for {HUNG_SECONDS:.0f} s, and has made no token. The GPU: {self.notes['gpu']}.")

    def __enter__(self) -> "Hanging":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def said(self) -> str:
        """What the program has printed so far."""
        return self.log.read_text(errors="replace")

    def interrupt(self) -> None:
        """Do what Ctrl-C does, and see whether it helps."""
        self._process.send_signal(signal.SIGINT)
        ended = self._until(lambda: self._process.poll() is not None, PATIENCE)
        self.notes["ended_by_ctrl_c"] = ended
        show.text(f"{PATIENCE:.0f} s after Ctrl-C the process {'has ended' if ended else 'is still there'}.")

    def stack(self) -> str:
        """Return the Python stack, as py-spy sees it from outside; where it may not look, as the program's own faulthandler does."""
        text = self._spied() or self._told()
        self.notes["stack"] = text[:6000]
        return text

    def _spied(self) -> str:
        spy = shutil.which("py-spy", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
        if not spy:
            return ""
        seen = run([spy, "dump", "--pid", str(self.pid)], log=self.folder / "py-spy.log", timeout=30, quiet=True)
        return without_colours(seen.output) if seen.ok else ""

    def _told(self) -> str:
        before = len(self.said())
        self._process.send_signal(signal.SIGUSR1)
        time.sleep(1)
        return self.said()[before:]

    def dump(self) -> Path:
        """Ask the driver for a core dump of the GPU: one write into the pipe. Return the file. Raises LearnerMessage when none comes."""
        self._check_alive("is gone")
        pipe = self.folder / f"pipe.{self.pid}"
        if not pipe.exists():
            raise LearnerMessage(
                f"The driver has made no {pipe.name}.", "Was the program started with CUDA_ENABLE_USER_TRIGGERED_COREDUMP=1?"
            )
        began, sizes = time.monotonic(), list[int]()
        descriptor = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)  # both ways: it may not matter whether the driver has opened its end yet
        try:
            os.write(descriptor, b"dump\n")
            self._wait(lambda: self._steady(sizes), DUMP_SECONDS, "wrote no core dump")
        finally:
            os.close(descriptor)
        core = next(self.folder.glob("hang.core.*"))
        self.notes |= {"core_bytes": sizes[-1], "core_s": round(time.monotonic() - began, 1)}
        show.text(f"{core.name}: {sizes[-1]:,} bytes, after {self.notes['core_s']} s.")
        return core

    def close(self) -> None:
        """End the process, the kernel on the GPU with it. SIGTERM would wait as Ctrl-C does."""
        if self._process.poll() is None:
            self._process.kill()
        end_group(self._process)
        self.notes["exit_code"] = self._process.returncode

    def _steady(self, sizes: list[int]) -> bool:
        core = next(self.folder.glob("hang.core.*"), None)
        sizes.append(core.stat().st_size if core else 0)
        return len(sizes) > 5 and sizes[-1] > 0 and len(set(sizes[-5:])) == 1

    def _wait(self, condition: Callable[[], bool], seconds: float, otherwise: str) -> None:
        if not self._until(condition, seconds):
            last = "".join(f"    {line}\n" for line in self.said().strip().splitlines()[-4:])
            raise LearnerMessage(f"The program {otherwise} in {seconds:.0f} s. It said last:\n{last}", "Build the planted overlays again.")

    def _until(self, condition: Callable[[], bool], seconds: float) -> bool:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not condition():
            if self._process.poll() is not None:
                break
            time.sleep(0.3)
        return condition()

    def _check_alive(self, otherwise: str) -> None:
        if self._process.poll() is not None:
            raise LearnerMessage(f"The program {otherwise} (exit code {self._process.returncode}).", "Build the planted overlays again.")


def _gpu_load(log: Path) -> str:
    """Return what nvidia-smi says of the GPU: its load and the memory in use."""
    query = ["nvidia-smi", "--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader"]
    return run(query, log=log, timeout=30, quiet=True).output.strip()


class Recorded:
    """A hang that was recorded: the same calls, with what they said then."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self.notes, self._core = dict(facts["notes"]), Path(facts["core"])
        show.text(f"Recorded on {MACHINE}: the process was ready, and made no token. The GPU: {self.notes['gpu']}.")

    def __enter__(self) -> "Recorded":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def interrupt(self) -> None:
        """What Ctrl-C did."""
        show.text(f"{PATIENCE:.0f} s after Ctrl-C the process {'had ended' if self.notes['ended_by_ctrl_c'] else 'was still there'}.")

    def stack(self) -> str:
        """The Python stack that was seen."""
        return str(self.notes["stack"])

    def dump(self) -> Path:
        """The core dump that was written; only what cuda-gdb says of it is recorded."""
        show.text(f"{self._core.name}: {self.notes['core_bytes']:,} bytes, after {self.notes['core_s']} s.")
        return self._core

    def close(self) -> None:
        """There is nothing to end."""
