"""Carry the steps out: each in a process group of its own with a time limit, results packed all the while, and what is done is not done again."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import psutil

from labkit.recorder import write_atomically
from tools.gpu_acceptance_share import advertise
from tools.gpu_acceptance_steps import Now, Step, next_step

ROOT = Path(__file__).resolve().parent.parent
TICK_SECONDS, PACK_SECONDS, GRACE_SECONDS = 0.2, 20.0, 5.0
State = Literal["done", "failed", "cut", "running", "left out"]


@dataclass(frozen=True)
class Place:
    """Where and how: the folder that everything is made in, the lane, and the Python that runs the steps."""

    work: Path
    lane: str
    python: str = sys.executable

    def command(self, step: Step) -> list[str]:
        """The command line of a step."""
        if step.lesson:
            return [self.python, "-m", "tools.gpu_acceptance", "notebook", step.name, "--work", str(self.work), "--lane", self.lane]
        return [self.python, *step.command]

    def environment(self, step: Step, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
        """The environment of a step: this repository importable, our kernel for notebooks, and the GPU shared unless the step is alone."""
        shared = [] if step.alone or self.lane != "cuda" else [str(advertise(self.work / "share"))]
        folders = [str(ROOT), *shared, *filter(None, [environ.get("SITE"), environ.get("PYTHONPATH")])]
        return {
            **environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(folders)), "LANE": self.lane, "PYTHONUNBUFFERED": "1",
            "JUPYTER_PATH": str(self.work / "jupyter" / "share" / "jupyter"), "GPU_ACCEPTANCE_WORK": str(self.work),
        }  # fmt: skip

    def prepare(self) -> None:
        """Register this Python as the kernel "python3", for the steps only. Raises CalledProcessError without ipykernel."""
        command = [self.python, "-m", "ipykernel", "install", "--prefix", str(self.work / "jupyter"), "--name", "python3"]
        environment = self.environment(Step("prepare", 0, 0))
        subprocess.run(command, check=True, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@dataclass
class Running:
    """A step that runs."""

    step: Step
    process: subprocess.Popen[bytes]
    began: float
    until: float


@dataclass
class Runner:
    """Does steps until all are done or the time is over. `pack` is called every 20 seconds and at the end, `say` with each line to print."""

    place: Place
    steps: list[Step]
    seconds: float
    at_once: int
    pack: Callable[[], object]
    say: Callable[[str], object] = print
    running: list[Running] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def run(self) -> None:
        """Do the steps. What was done in an earlier call is skipped; what was cut or failed then is done again."""
        waiting = [step for step in self.steps if state_of(self.place.work, step.name).get("state") != "done"]
        packed = self._now()
        try:
            while self.running or waiting:
                while step := next_step(self._look(waiting)):
                    waiting.remove(step)
                    self._start(step)
                if not self.running:  # nothing that waits may begin any more: too little time is left
                    break
                time.sleep(TICK_SECONDS)
                self._collect()
                if self._now() - packed >= PACK_SECONDS:
                    self.pack()
                    packed = self._now()
        finally:
            for one in list(self.running):
                self._end(one, "cut")
            for step in waiting:
                self._note(step, "left out", 0.0, None)
            self.pack()

    def _now(self) -> float:
        return time.monotonic() - self.began

    def _look(self, waiting: list[Step]) -> Now:
        evidence = self.place.work / "run" / "evidence"
        left = self.seconds - self._now()
        return Now(waiting, [one.step for one in self.running], left, self.at_once, lambda record: (evidence / f"{record}.json").is_file())

    def _start(self, step: Step) -> None:
        logs, results = self.place.work / "logs", self.place.work / "results"
        for folder in (logs, results):
            folder.mkdir(parents=True, exist_ok=True)
        out = results / f"{step.name}.json" if step.prints_json else logs / f"{step.name}.out"
        with out.open("wb") as stdout, (logs / f"{step.name}.log").open("wb") as stderr:
            process = subprocess.Popen(
                self.place.command(step), cwd=ROOT, env=self.place.environment(step) | {"SECONDS_LEFT": f"{self.seconds - self._now():.0f}"},
                stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, start_new_session=True,
            )  # fmt: skip
        now = self._now()
        self.running.append(Running(step, process, now, min(now + step.seconds, self.seconds)))
        self._note(step, "running", 0.0, None)
        self.say(f"[{now:5.0f} s] {step.name} begins")

    def _collect(self) -> None:
        for one in list(self.running):
            code = one.process.poll()
            if code is not None:
                self._end(one, "failed" if code else "done")
            elif self._now() >= one.until:
                self._end(one, "cut")

    def _end(self, one: Running, state: State) -> None:
        self.running.remove(one)
        if state == "cut":
            end_tree(one.process)
        took = round(self._now() - one.began, 1)
        self._note(one.step, state, took, one.process.returncode, round(one.began, 1))
        self.say(f"[{self._now():5.0f} s] {one.step.name}: {state} after {took} s")

    def _note(self, step: Step, state: State, seconds: float, code: int | None, began: float | None = None) -> None:
        facts = {
            "name": step.name,
            "lesson": step.lesson,
            "alone": step.alone,
            "state": state,
            "seconds": seconds,
            "began": began,
            "exit_code": code,
        }
        write_atomically(state_file(self.place.work, step.name), json.dumps(facts) + "\n")


def end_tree(process: subprocess.Popen[bytes]) -> None:
    """End a process and all below it, gently first. A notebook's kernel and its engines are in sessions of their own."""
    try:
        below = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        below = []
    for how in (signal.SIGTERM, signal.SIGKILL):
        for pid in [process.pid, *(child.pid for child in below if child.is_running())]:
            with suppress(ProcessLookupError):
                os.kill(pid, how)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
    psutil.wait_procs(below, GRACE_SECONDS)


def state_file(work: Path, name: str) -> Path:
    """Where it is written down how far a step is."""
    return work / "state" / f"{name}.json"


def state_of(work: Path, name: str) -> dict[str, Any]:
    """Return what is written down about a step, {} where nothing can be read."""
    try:
        found: dict[str, Any] = json.loads(state_file(work, name).read_text())
    except (OSError, ValueError):
        return {}
    return found
