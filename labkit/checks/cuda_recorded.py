"""The recorded runs of lesson 03's CUDA half, for learners without a GPU: real output of an H100, one JSON file each."""

import json
from dataclasses import dataclass
from functools import cache as once
from pathlib import Path
from typing import Any

from labkit.checks.cuda_plants import VARIANTS, Plant
from labkit.learner import pick

FOLDER = Path(__file__).parent.parent / "debug" / "recorded"
SCENES = ((1, 5), (2, 40), (3, 70), (4, 101), (5, 150))  # block and thread that a learner looks at in the kernel


@dataclass(frozen=True)
class Recording:
    """One recording.

    `runs` are commands with exit code, seconds and output; `dialogues` are debugger sessions as Transcript.facts() keeps them; `facts` is
    what else was written down, such as torch's own values; `plant` is the failure that was planted, if any.
    """

    name: str
    runs: dict[str, dict[str, Any]]
    dialogues: dict[str, dict[str, Any]]
    facts: dict[str, Any]
    plant: Plant | None = None


@once
def recording(name: str) -> Recording:
    """Return a recording by name: "init", "kernel", "oob-0", "illegal-2" and so on. Raises OSError when there is none."""
    found = json.loads((FOLDER / f"{name}.json").read_text())
    plant = found.get("plant")
    return Recording(found["name"], found["runs"], found["dialogues"], found["facts"], Plant(**plant) if plant else None)


def recorded_for(token: str, kind: str) -> str:
    """Return the name of the recording of a planted failure that belongs to a learner."""
    return f"{kind}-{pick(token, kind, len(VARIANTS[kind]))}"


def scene_of(token: str) -> tuple[int, int]:
    """Return the block and the thread that a learner looks at inside the kernel."""
    return SCENES[pick(token, "scene", len(SCENES))]
