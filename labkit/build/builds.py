"""The second half of lesson 02's workshop: one target of vLLM's CMake, and the whole build. The commands stay in the lesson."""

import dataclasses
import site
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from labkit import show
from labkit.build import whole
from labkit.build.breaking import attempts, telling
from labkit.build.costs import unit_costs
from labkit.build.failures import explain, show_findings
from labkit.build.forecast import show_forecast, this_machine
from labkit.build.hook import write_hook
from labkit.build.stages import show_stages, stages
from labkit.build.tree import wheel_folder, working_tree
from labkit.build.wheel import fetch_wheel
from labkit.checks.build_steps import builder_of, letters, new_builder
from labkit.inspect_elf import inspect
from labkit.lab import Lab
from labkit.messages import LearnerMessage


class Builds:
    """A learner's source tree and what is built from it, in `work/` beside the notebooks. Raises LearnerMessage without the source."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.tree = working_tree(lab.folder / "work", show.text)

    @property
    def wheel(self) -> Path:
        """The folder of the installed vLLM."""
        return wheel_folder(self.lab.lane)

    @property
    def packages(self) -> list[str]:
        """The folders that the course's own packages are in, for an environment that should find them, too."""
        return [str(self.wheel.parent), *(folder for folder in site.getsitepackages() if folder != str(self.wheel.parent))]

    def wheel_file(self) -> Path:
        """Return the wheel that the installed vLLM came from, fetched once more as a file. Raises LearnerMessage when that fails."""
        return fetch_wheel(self.lab.lane, show.text)

    def show_stages(self) -> None:
        """Draw who does what in a build, from the tree and from the overlay's build folder."""
        builds = sorted((self.lab.folder / "work" / "overlays").glob("*/build.ninja"))
        if not builds:
            raise LearnerMessage("No overlay has been configured yet.", "Run the cells of step 1 first.")
        show_stages(stages(self.tree, builds[0].parent))

    def target_facts(self, module: str, loaded: str) -> dict[str, Any]:
        """Return what a record says of the built target: the presets, which file Python loaded, and both build-ids."""
        path = Path(loaded)
        inside = f"<tree>/{path.relative_to(self.tree)}" if path.is_relative_to(self.tree) else path.name
        return {
            "presets": (self.tree / "CMakeUserPresets.json").read_text(),
            "loaded_from": inside,
            "loaded_build_id": inspect(path).build_id if path.is_file() else "",
            "wheel_build_id": inspect(self.wheel / f"{module}.abi3.so").build_id,
        }

    def forecast(self, build: Path) -> dict[str, Any]:
        """Show the forecast of vLLM's large targets from a configured build folder; record it and return it."""
        found = whole.forecast_of(build, whole.TARGETS[self.lab.lane.name], self.lab.lane.name)
        show_forecast(found)
        asked = list(new_builder(self.lab.token, self.lab.lane.name))
        facts = dataclasses.asdict(found) | {"basis": list(found.basis), "builder": asked}
        self.lab.record("build-forecast", facts=facts)
        return facts

    def builder(self) -> tuple[int, int]:
        """Return cores and GiB of free memory of the machine that the recorded forecast asks about. Raises LearnerMessage without one."""
        return builder_of(self.lab.token, self.lab.lane.name, self.lab.facts("build-forecast"))

    def sample(self, build: Path) -> tuple[list[str], float]:
        """Return the object files that this learner builds as a sample, and the forecast of their wall time in seconds."""
        objects = whole.sample_objects(self.lab.lane.name, self.lab.token)
        for name in objects:
            (build / name).unlink(missing_ok=True)  # built before? Then there would be nothing to measure
        return objects, whole.expected_seconds(objects, unit_costs(self.lab.lane.name), this_machine(build).cores)

    def timeline(self, build: Path, objects: Sequence[str]) -> dict[str, Any]:
        """Draw what ninja wrote down about the sample, and return it as facts."""
        return whole.measured(build, objects)

    def break_builds(self, release: Path) -> dict[str, Any]:
        """Run five builds that fail, each for one reason, in the learner's own order; show and record their logs."""
        scrap = self.lab.folder / "work" / "broken-builds"
        names = {cause: f"build-{letter}" for letter, cause in letters(self.lab.token).items()}
        tries = attempts(self.tree, scrap, release, self.lab.lane, self.without_github(), names)
        logs: dict[str, JsonValue] = {}
        show.text("Five builds, one after the other: up to a minute. Each log appears when its build ends.")
        for letter, cause in letters(self.lab.token).items():
            done = self.lab.run(tries[cause].command, env=tries[cause].environment, quiet=True, timeout=300, log=f"broken-{letter}")
            logs[letter] = telling(done.output)
            show.folded(f"Build {letter}: exit code {done.exit_code}. Open to read its log.", str(logs[letter]))
        self.lab.record("build-failures", facts={"logs": logs})
        return {"logs": logs}

    def explain(self, broken: Mapping[str, Mapping[str, str]]) -> None:
        """Show what the course's log reader makes of each log, once the learner has answered."""
        if not self.lab.evidence.has("build-failures-answer"):
            show.text("Answer first: the log reader names the causes.")
            return
        for letter, log in broken["logs"].items():
            show.text(f"Build {letter}:")
            show_findings(explain(log))

    # Without GitHub

    def without_github(self) -> Path:
        """Return a CMake file for CMAKE_PROJECT_vllm_extensions_INCLUDE that puts empty folders in the place of what GitHub would give."""
        return write_hook(self.lab.folder / "work" / "without-github" / "hook.cmake", self.tree, self.lab.lane)
