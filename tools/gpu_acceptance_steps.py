"""What the acceptance run on a CUDA machine does, step by step: a table. Nothing is run here.

The order is the order of value: what comes first is there when the time runs out. Steps that measure have the machine for themselves; the
others share the GPU (tools/gpu_acceptance_share.py). `expects` was seen on an H100 (bench/RESULTS.md), or follows from
parts of it; on another machine it only decides which steps still begin when little time is left.
"""

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from tools.schedule import AFTER

WARM = "from labkit.settings import settle_environment; settle_environment(); "
# The learner's copy as well: lessons that begin at the same time would make it at the same time
SOURCE = (
    WARM
    + "import os, pathlib; from labkit.build.tree import working_tree; print(working_tree(pathlib.Path(os.environ['GPU_ACCEPTANCE_WORK']) / 'run' / 'work').name)"
)
MODEL = WARM + "from labkit.model import packaged; print(packaged(print).name); import vllm.entrypoints.llm"
TARGET = "_C_stable_libtorch"
CORES_EACH = 3  # a compiler, an engine in two processes


@dataclass(frozen=True)
class Step:
    """One step: a lesson's notebook, some of its sections (by the beginnings of their headings), or a command for this Python.

    `seconds` is the most that it gets. A step that is `alone` runs when nothing else does, and nothing else begins beside it; `needs` are steps
    that must be over before.
    """

    name: str
    expects: float
    seconds: float
    alone: bool = False
    needs: tuple[str, ...] = ()
    lesson: str = ""
    sections: tuple[str, ...] = ()
    command: tuple[str, ...] = ()

    def __str__(self) -> str:
        alone, needs = "alone" if self.alone else "", " ".join(self.needs)
        return f"{self.name:12} {self.expects:5.0f} s  at most {self.seconds:5.0f} s  {alone:6} {needs}".rstrip()

    @property
    def prints_json(self) -> bool:
        """Whether the step's standard output is a result, one JSON document."""
        return bool(self.command) and self.command[0] != "-c"


STEPS = (
    Step("source", 15, 180, command=("-c", SOURCE)),
    Step("model", 75, 300, command=("-c", MODEL)),
    Step("00", 10, 90, lesson="00_start_here"),
    Step("02", 465, 660, needs=("source",), lesson="02_source_build"),
    Step("01", 45, 120, needs=("source",), lesson="01_environment"),
    Step("04", 235, 360, needs=("model",), lesson="04_first_inference"),
    Step("03a", 250, 540, needs=("source", "model"), lesson="03_debuggers", sections=("Step 1", "Step 2", "Step 3", "Step 6")),
    Step("03b", 155, 420, needs=("source", "model"), lesson="03_debuggers", sections=("Step 4", "Step 5", "Step 9", "What you can do")),
    Step("03c", 235, 480, needs=("source", "model"), lesson="03_debuggers", sections=("Step 7", "Step 8")),
    Step("06-markers", 100, 240, needs=("source", "model"), lesson="06_exercises", sections=("Part 2",)),
    Step("06-rest", 10, 60, needs=("source", "model"), lesson="06_exercises",
         sections=("Knowledge check", "Look back", "Tomorrow", "Where to go on", "The day in", "What you can do")),
    Step("06-builds", 110, 300, alone=True, needs=("source", "model"), lesson="06_exercises", sections=("Part 1",)),
    Step("06-memory", 125, 240, alone=True, needs=("source", "model"), lesson="06_exercises", sections=("Part 3",)),
    Step("06-batches", 105, 300, alone=True, needs=("source", "model"), lesson="06_exercises", sections=("Part 4",)),
    Step("05", 120, 360, alone=True, needs=("source", "model"), lesson="05_nsight_systems"),
    Step("overhead", 20, 60, alone=True, command=("bench/recording.py", "--json")),
    Step("batch", 420, 600, alone=True, needs=("model",), command=("bench/batch.py", "--json")),
    Step("stop", 105, 180, alone=True, needs=("source", "model"), command=("bench/stop.py", "--json")),
    Step("overlay", 200, 420, alone=True, needs=("source", "model"), command=("bench/overlay.py", "--json")),
    # What of the whole target can be built in the time that is left, from the folder that lesson 02 configured
    Step("target", 60, 1800, alone=True, needs=("02",), command=("-m", "tools.gpu_acceptance", "target", TARGET)),
)  # fmt: skip


def chosen(only: Collection[str], steps: Sequence[Step] = STEPS) -> list[Step]:
    """Return the steps to do, all of them without `only`, with what they need, in order. Raises KeyError for a name that no step has."""
    by_name = {step.name: step for step in steps}
    wanted, more = set[str](), set(only) or set(by_name)
    while more:
        wanted |= more
        more = {need for name in more for need in by_name[name].needs} - wanted
    return [step for step in steps if step.name in wanted]


def places() -> int:
    """Return how many steps may run side by side on this machine's cores, at least one."""
    return max(1, len(os.sched_getaffinity(0)) // CORES_EACH)


@dataclass(frozen=True)
class Now:
    """What the schedule looks at: the steps that wait, in order, those that run, the seconds that are left, how many may run at once, and
    whether a lesson's record is there."""

    waiting: Sequence[Step]
    running: Collection[Step]
    left: float
    at_once: int
    recorded: Callable[[str], bool]


def next_step(now: Now) -> Step | None:
    """Return the step to start now, None as long as nothing may be started.

    A step that must be alone holds back those behind it, else it would never find the machine empty.
    """
    if any(step.alone for step in now.running):
        return None
    for step in now.waiting:
        if not _ready(step, now):
            continue
        return step if not now.running or not (step.alone or len(now.running) >= now.at_once) else None
    return None


def _ready(step: Step, now: Now) -> bool:
    unfinished = [*now.waiting, *now.running]
    before, record = AFTER.get(step.lesson, ("", ""))
    return (
        step.expects <= now.left
        and not any(other.name in step.needs for other in unfinished)
        and (now.recorded(record) or not any(other.lesson == before for other in unfinished if before))
    )
