"""The CUDA half of lesson 03: live on the cuda lane, recorded on the other. The commands stay in the lesson."""

import concurrent.futures
import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from labkit import show
from labkit.build.overlay import Options, Overlay, plan
from labkit.build.tree import original
from labkit.checks.cuda_plants import KINDS, SOURCE, Plant, plant_of
from labkit.checks.cuda_recorded import Recording, recorded_for, recording, scene_of
from labkit.checks.debuggers_cuda import slots_of
from labkit.debug.cuda_batch import dialogue
from labkit.debug.cuda_hang import DUMP, Hanging, Recorded
from labkit.debug.cuda_replay import MACHINE, Replay
from labkit.debug.cuda_shown import excerpt, wait_for
from labkit.debug.gdb_text import shown
from labkit.debug.planted import planted
from labkit.debug.transcript import Transcript, Turn
from labkit.lab import Lab
from labkit.live import tail
from labkit.messages import LearnerMessage, explain_os_error
from labkit.runner import run

OPERATOR = "reshape_and_cache_flash"
STEPS = ("configure", "compile")  # of a planted overlay
KEPT_LINES, KEPT_WIDTH = 400, 400  # of a command's output, in the evidence: a traceback through the engine has 120 lines


class Cuda:
    """What the CUDA sections work with. `tree` is the learner's source tree."""

    def __init__(self, lab: Lab, tree: Path) -> None:
        self.lab, self.tree, self.live = lab, tree, lab.lane.name == "cuda"
        self._built: dict[str, Overlay] = {}

    # Commands

    def run(
        self, kind: str, which: str, command: Sequence[object], *, env: Mapping[str, str] | None = None, timeout: float = 300.0
    ) -> dict[str, Any]:
        """Run a command under the planted overlay of its kind, or show the recorded run `which`. Return it as a record keeps it.

        A command that fails is a result here, not a mistake. Of a live one the notebook shows the end, and the lines that the lesson asks about.
        """
        if not self.live:
            found = self.recording(kind).runs[which]
            show.text(
                f"$ {' '.join(found['command'])}\n{found['output']}\n[recorded on {MACHINE}: exit code {found['exit_code']}, {found['seconds']} s]"
            )
            return found
        below = self._built[kind].environment() if kind in self._built else {}
        done = self.lab.run([str(part) for part in command], env={**below, **(env or {})}, timeout=timeout, log=f"{kind}-{which}")
        if asked_about := excerpt(done.output):
            show.text(asked_about)
        lines = [line[:KEPT_WIDTH] for line in done.output.splitlines()]
        kept = lines if len(lines) <= KEPT_LINES else [*lines[:30], "[…]", *lines[-KEPT_LINES + 30 :]]
        return {
            "command": list(done.command),
            "exit_code": done.exit_code,
            "seconds": round(done.seconds, 1),
            "output": "\n".join(kept),
            "timed_out": done.timed_out,
        }

    def recording(self, kind: str) -> Recording:
        """Return the recording that belongs to this learner."""
        return recording(recorded_for(self.lab.token, kind) if kind in KINDS else kind)

    def tool(self, name: str) -> str:
        """Return a program of the CUDA toolkit, or of its package on the index. Raises LearnerMessage on the cuda lane when there is none."""
        import sysconfig

        package = Path(sysconfig.get_paths()["purelib"]) / "nvidia" / "cu13" / "bin"
        found = shutil.which(name) or shutil.which(name, path=f"/usr/local/cuda/bin:{package}")
        if not found and self.live:
            raise LearnerMessage(
                f"{name} is not on this machine.",
                "It comes with the CUDA toolkit; compute-sanitizer also with `pip install nvidia-cuda-sanitizer-api==13.0.85`.",
            )
        return found or name

    # Planted failures

    def plant(self, kind: str) -> Plant:
        """Return the failure of this learner, or of the recording."""
        known = None if self.live else self.recording(kind).plant
        return known or plant_of(self.lab.token, kind)

    def build(self) -> None:
        """Build one overlay per kind of failure, at the same time, each from a tree of its own: vLLM's files with one statement more."""
        if not self.live:
            show.text(f"Nothing to build on this lane: what follows was recorded on {MACHINE}, with failures at one of three places each.")
            return
        with concurrent.futures.ThreadPoolExecutor(len(KINDS)) as pool:
            work = {kind: pool.submit(self._build, kind) for kind in KINDS}
            wait_for(work.values(), "three overlays are built, at the same time", self._building)
        self._built = {kind: built.result() for kind, built in work.items()}
        show.text(f"Built: {', '.join(f'{kind} ({overlay.library.stat().st_size:,} bytes)' for kind, overlay in self._built.items())}")

    def _building(self) -> list[str]:
        """The last line of each build's newest log."""
        found = [[log for what in STEPS if (log := self._log(what, kind)).is_file()] for kind in KINDS]
        newest = [max(logs, key=lambda log: log.stat().st_mtime) for logs in found if logs]
        return [f"{log.stem}: {line}\n" for log in newest for line in tail(log.read_text(errors="replace"), 1)]

    def _log(self, what: str, kind: str) -> Path:
        return self.lab.scratch("logs") / f"{what}-{kind}.log"

    def _build(self, kind: str) -> Overlay:
        folder = self.lab.folder / "work" / "planted"
        tree = _twin(self.tree, folder / f"{kind}-tree", planted(original(SOURCE).read_text(), self.plant(kind)))
        overlay = plan(
            OPERATOR, tree=tree, folder=folder / kind, lane=self.lab.lane, soname=self.lab.symbol, options=Options(cuda=("-lineinfo",))
        )
        for what, command in zip(STEPS, (overlay.configure, overlay.compile), strict=True):
            done = run(command, log=self._log(what, kind), timeout=600, quiet=True)
            if not done.ok:
                raise LearnerMessage(
                    f"The planted overlay was not built: `{what}` failed.", f"Its log is {done.log.relative_to(self.lab.folder)}."
                )
        return overlay

    # What is this learner's own

    def scene(self) -> tuple[int, int]:
        """Return the block and the thread to look at in the kernel."""
        return scene_of(self.lab.token)

    def slots(self) -> list[int]:
        """Return the slots that the small program writes to."""
        return slots_of(self.lab.token) if self.live else list(self.recording("oob").facts["slots"])

    def torch_says(self, path: Path) -> dict[str, Any]:
        """Return what torch handed to the kernel, as stop.py wrote it down; {} before it did."""
        if not self.live:
            return dict(self.recording("kernel").facts["torch"])
        return dict(json.loads(path.read_text())) if path.is_file() else {}

    # Sessions

    def replay(self, name: str) -> Replay:
        """Return a recorded session, to be typed into."""
        show.text(f"Recorded on {MACHINE}: what you type is answered as cuda-gdb answered it there.")
        return Replay(name)

    def open_core(self, kind: str, core: Path | str, commands: Sequence[str]) -> Transcript:
        """Open a core dump of the GPU in cuda-gdb, type the commands, show the dialogue and return it."""
        typed = [f"target cudacore {Path(core).name}", *commands]
        if self.live:
            _, transcript = dialogue(
                self.tool("cuda-gdb"), typed, log=self.lab.scratch("logs") / f"{kind}-core.log", cwd=Path(core).parent, timeout=180
            )
        else:
            turns = self.recording(kind).dialogues["core"]["turns"]
            said = {turn["typed"]: turn["said"] for turn in turns[1:]}
            opened = Turn(turns[0]["typed"], turns[0]["said"])
            transcript = Transcript(
                "cuda-gdb", "(cuda-gdb) ", [opened, *(Turn(c, said.get(c, "[not typed in the recording]")) for c in commands)]
            )
        show.text(shown(transcript.text()))
        return transcript

    def hanging(self, command: Sequence[object]) -> Hanging | Recorded:
        """Start a program that will hang under the planted overlay, ready to be dumped from outside."""
        if not self.live:
            return Recorded(self.recording("hang").facts)
        if "hang" not in self._built:  # after a restart; what is built is not built again
            self.build()
        return Hanging([str(part) for part in command], folder=self.lab.scratch(), env={**self._built["hang"].environment(), **DUMP})

    def facts(self, kind: str, **more: Any) -> dict[str, Any]:
        """Return what a record says of a failure: the recording's name, "" for a live run, and `more`."""
        return {"recording": "" if self.live else self.recording(kind).name, **json.loads(json.dumps(more))}


def _twin(tree: Path, twin: Path, text: str) -> Path:
    """Return a tree of links to the files of `tree`, with a SOURCE of its own."""
    try:
        if not twin.is_dir():
            twin.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["cp", "-rs", str(tree.resolve()), str(twin)], check=True, capture_output=True)
        source = twin / SOURCE
        if source.is_symlink() or not source.is_file() or source.read_text() != text:
            source.unlink(missing_ok=True)
            source.write_text(text)
    except (OSError, subprocess.CalledProcessError) as error:
        raise explain_os_error(error if isinstance(error, OSError) else OSError(str(error)), "preparing the planted source") from None
    return twin
