"""`labkit build`: a forecast, then the build itself, with progress, a log, and a timeline at the end. What is finished is kept."""

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from labkit import show
from labkit.build import ninja, whole
from labkit.build.failures import explain, show_findings
from labkit.build.forecast import Forecast, show_forecast
from labkit.build.hook import write_hook
from labkit.build.timeline import timeline
from labkit.build.tree import cmake_settings, working_tree
from labkit.lane import Lane
from labkit.messages import LearnerMessage
from labkit.paths import cache

REPORT_SECONDS = 10.0  # between two lines of progress on a terminal


@dataclass(frozen=True)
class Plan:
    """What to build: the CMake targets, where, and with how many jobs at once."""

    tree: Path
    build: Path
    targets: tuple[str, ...]
    forecast: Forecast
    configure: list[str]

    @property
    def compile(self) -> list[str]:
        """The command that builds."""
        return ["cmake", "--build", str(self.build), f"-j{self.forecast.jobs}", *(f"--target={name}" for name in self.targets)]

    @property
    def installs(self) -> list[list[str]]:
        """The commands that put each library into the tree, where an editable install finds it."""
        return [["cmake", "--install", str(self.build), "--prefix", str(self.tree), "--component", name] for name in self.targets]


def make_plan(work: Path, lane: Lane, targets: Sequence[str], *, offline: bool) -> Plan:
    """Forecast a build in `work`, the folder of trees and builds. Raises LearnerMessage when vLLM cannot be configured even for counting.

    Units are counted in a folder that is configured without GitHub; only the build itself needs what GitHub has.
    """
    tree = working_tree(work, show.text)
    counting = work / "build-release"
    hook = write_hook(work / "without-github" / "hook.cmake", tree, lane)
    replaced = f"-DCMAKE_PROJECT_vllm_extensions_INCLUDE={hook}"
    _checked(_configure(tree, counting, lane, replaced), counting)
    wanted = tuple(targets) or whole.TARGETS[lane.name]
    found = whole.forecast_of(counting, wanted, lane.name)
    build = counting if offline else work / "build-full"
    return Plan(tree, build, wanted, found, _configure(tree, build, lane, *([replaced] if offline else []), *_launchers()))


def show_plan(plan: Plan) -> None:
    """Show the forecast and the commands that a build would run."""
    show_forecast(plan.forecast)
    for command in (plan.configure, plan.compile, *plan.installs):
        show.text(f"$ {' '.join(command)}")


def build(plan: Plan) -> None:
    """Configure, compile and install, and leave a log and a timeline in the build folder. Raises LearnerMessage when a step fails."""
    os.environ.setdefault("CCACHE_DIR", str(cache() / "ccache"))
    _checked(plan.configure, plan.build)
    began = time.time()
    _compile(plan, plan.build / "labkit-build.log")
    for command in plan.installs:
        _checked(command, plan.build)
    _report(plan, began)


def _configure(tree: Path, build: Path, lane: Lane, *more: str) -> list[str]:
    settings = [*cmake_settings(os.environ.get("CMAKE_BUILD_TYPE", "RelWithDebInfo"), lane), "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", *more]
    return ["cmake", "-G", "Ninja", "-S", str(tree), "-B", str(build), *settings]


def _launchers() -> list[str]:
    """ccache in front of the compilers, as vLLM's setup.py does it where there is one."""
    return [f"-DCMAKE_{language}_COMPILER_LAUNCHER=ccache" for language in ("C", "CXX", "CUDA")] if shutil.which("ccache") else []


def _checked(command: Sequence[str], build: Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        build.mkdir(parents=True, exist_ok=True)
        (build / "labkit-failed.log").write_text(done.stdout + done.stderr)
        raise failed(command, done.stdout + done.stderr, build / "labkit-failed.log")


def failed(command: Sequence[str], output: str, log: Path) -> LearnerMessage:
    """The message for a step of a build that failed: the causes that its log shows are printed, the first one is in the message."""
    found = explain(output)
    show_findings(found)
    advice = found[0].fix if found else "Read its log from the first line that says error."
    return LearnerMessage(
        f"`{' '.join(command[:2])} …` failed; all it said is in {log}.", f"{advice} Then the same command goes on where it stopped."
    )


def _compile(plan: Plan, log: Path) -> None:
    """Run the long command: its output to the log, a line of progress to the learner now and then."""
    began = reported = time.monotonic()
    with (
        log.open("w+") as stream,
        subprocess.Popen(plan.compile, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace") as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            stream.write(line)
            now = time.monotonic()
            at = ninja.progress(line)
            if at and now - reported >= REPORT_SECONDS:
                reported = now
                left = ninja.remaining_seconds(at, now - began, jobs=plan.forecast.jobs, expected_s=plan.forecast.wall_minutes * 60)
                show.text(f"{at.finished} of {at.total}, {now - began:.0f} s, about {left or 0:.0f} s to go")
    if process.returncode:
        raise failed(plan.compile, log.read_text(errors="replace"), log)


def _report(plan: Plan, since: float) -> None:
    edges = ninja.read_log(plan.build, since)
    if not edges:
        show.text("Everything was up to date.")
        return
    path = plan.build / "timeline.png"
    timeline(edges).savefig(path, dpi=120)
    rows = [(edge.name, f"{edge.seconds:.1f} s") for edge in ninja.slowest(edges)]
    chain = ninja.critical_path(edges, ninja.dependencies(plan.build, *plan.targets))
    show.table(f"{len(edges)} commands in {ninja.wall_seconds(edges):.0f} s; the slowest", ("output", "took"), rows)
    show.text(f"Critical path, {sum(edge.seconds for edge in chain):.0f} s: {' → '.join(edge.name for edge in chain)}. Timeline: {path}")
    if ccache := shutil.which("ccache"):
        show.text(subprocess.run([ccache, "--show-stats"], capture_output=True, text=True, check=False).stdout)
