"""What lesson 02 works with: the learner's source tree, its overlays, and tables of what they are. The commands stay in the lesson."""

import dataclasses
import difflib
import shutil
import site
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from labkit import show
from labkit.build import whole, witness
from labkit.build.breaking import attempts, telling
from labkit.build.costs import unit_costs
from labkit.build.failures import explain, show_findings
from labkit.build.find import body_of, names_at
from labkit.build.forecast import show_forecast, this_machine
from labkit.build.hook import write_hook
from labkit.build.linker import Linker, listening
from labkit.build.locate import locate
from labkit.build.overlay import DEFAULTS, Options, Overlay, plan
from labkit.build.stages import show_stages, stages
from labkit.build.tree import original, wheel_folder, working_tree
from labkit.build.wheel import fetch_wheel
from labkit.checks.build import overlay_rows, provider
from labkit.checks.build_steps import builder_of, letters
from labkit.inspect_elf import inspect, where
from labkit.lab import Lab
from labkit.messages import LearnerMessage, explain_os_error
from labkit.runner import Run

MIB = 1024 * 1024
MAX_LINES = 2000  # of a function that reports each of its calls


class Workshop:
    """The learner's source tree and build folders, in `work/` beside the notebooks. Raises LearnerMessage when the source cannot be had."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.tree = working_tree(lab.folder / "work", show.text)
        self._inserted = ""  # the source file as `insert` left it

    # What is installed

    def libraries(self, function: str) -> dict[str, Any]:
        """Show what the installed libraries let a debugger see, and where `function` begins; record it and return it."""
        show.text("Asking vLLM which library it loads: about ten seconds.")
        folder = wheel_folder(self.lab.lane)
        found = {path.name: inspect(path) for path in sorted(folder.glob("*.so"))}
        site = locate(function, self.tree, self.lab.lane)
        begins = where(site.wheel_library, site.symbols[0]) if site.symbols else None
        facts: dict[str, Any] = {
            "loaded": site.wheel_library.name,
            "libraries": {name: dataclasses.asdict(library) for name, library in found.items()},
            "function": {"name": function, "source": site.source, "line": site.line, "debug_line": list(begins) if begins else None},
        }
        show.text(f"vLLM loads {site.wheel_library.name} on this machine.")
        rows = [
            (x.name, f"{x.size_bytes / MIB:.1f}", f"{x.symtab:,}", f"{x.exported_functions:,}", f"{x.debug_info_bytes / MIB:.1f}", x.optimisation or "–", x.producer.partition(" -")[0] or "–")
            for x in found.values()
        ]  # fmt: skip
        show.table("Libraries of the installed vLLM", ("library", "MiB", "names", "exported", "debug info, MiB", "-O", "compiler"), rows)
        show.text(
            f"{function}: defined in {site.source}:{site.line}; the library says {':'.join(map(str, begins)) if begins else 'nothing'}."
        )
        self.lab.record("build-wheel", facts=facts)
        return facts

    # Overlays

    def overlay(self, function: str, build_type: str = "Debug", options: Options = DEFAULTS) -> Overlay:
        """Find a function or operator, prepare its overlay, and show what was found. Raises LearnerMessage with the reason if it cannot be."""
        made = plan(
            function, tree=self.tree, folder=self.lab.folder / "work" / "overlays", lane=self.lab.lane,
            soname=self.lab.symbol, build_type=build_type, options=options,
        )  # fmt: skip
        self.restore(made)
        found = made.site
        rows = [
            ("function", found.function),
            ("defined in", f"{found.source}:{found.line}"),
            ("vLLM's CMake target", found.target),
            ("in the installed library", found.wheel_library.name),
            ("name to the linker" if found.symbols else "name to torch", ", ".join(found.symbols) or self.operator(made)),
            ("build folder", str(made.build.relative_to(self.lab.folder))),
        ]
        show.table(f"Overlay of {found.function}, {build_type}", ("what", "where"), rows)
        return made

    def verify(self, overlay: Overlay) -> None:
        """Show, from the file alone, whether the overlay is what a debugger needs."""
        data = overlay.library.read_bytes()
        rows = overlay_rows(data, overlay.library.name, self.facts(overlay), self.lab.symbol, self.lab.lane.name)
        cells = [("✓ ok" if r.ok else "✗ not yet", r.what, r.seen, r.expected) for r in rows]
        show.table(f"{overlay.library.name}: what it is", ("state", "what", "seen", "expected"), cells)

    def facts(self, overlay: Overlay) -> dict[str, Any]:
        """Return what a record says of an overlay; the rest is in the file."""
        site = overlay.site
        return {"function": site.function, "source": site.source, "target": site.target, "symbols": list(site.symbols)}

    def operator(self, overlay: Overlay) -> str:
        """Return the operator's name, as torch's dispatcher knows it."""
        op = overlay.site.operator
        return f"{op.namespace}::{op.name}" if op else f"_C::{overlay.site.function}"

    def linker_speaks(self, overlay: Overlay) -> AbstractContextManager[Linker]:
        """Have the linker note whom it binds the function to, in commands that are started inside the block; on CUDA it has nothing to say."""
        return listening(overlay.site.symbols, self.lab.scratch())

    def witnesses(self, runs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Return the two runs as facts: libraries by name and build-id instead of by path."""
        return {which: witness.facts(run) for which, run in runs.items()}

    def show_witnesses(self, runs: Mapping[str, Mapping[str, Any]]) -> None:
        """Show who provided the function in each run, in the linker's (CPU) or the dispatcher's (CUDA) own words."""
        witness.show_runs(runs, self.lab.lane.name)

    def provider(self, run: Mapping[str, Any]) -> str | None:
        """Return the name of the file that provided the function in a run."""
        return provider(witness.facts(run), self.lab.lane.name)

    # Editing

    def show_function(self, overlay: Overlay, lines: int = 14) -> None:
        """Print the beginning of the function, as vLLM ships it."""
        text, start = self._original(overlay)
        first = text.count("\n", 0, start)
        for number, line in enumerate(text.splitlines()[max(0, first - 6) : first + lines], max(0, first - 6) + 1):
            show.text(f"{number:5d}  {line}" + ("   <- your statements go in behind this brace" if number == first + 1 else ""))

    def insert(self, overlay: Overlay, statements: str) -> None:
        """Put C++ statements at the top of the function's body, in the learner's tree. What an earlier call put there is taken out."""
        if not isinstance(statements, str):
            raise LearnerMessage("The statements are not text.", "Write C++ between the triple quotes.")
        text, start = self._original(overlay)
        self._keep_yours(overlay)
        try:
            overlay.source.write_text(text[:start] + "\n" + statements.strip("\n") + "\n" + text[start:])
        except OSError as error:
            raise explain_os_error(error, f"changing {overlay.source.name}") from None
        before = original(overlay.site.source).read_text().splitlines(keepends=True)
        self._inserted = overlay.source.read_text()
        change = difflib.unified_diff(before, overlay.source.read_text().splitlines(keepends=True), "as vLLM ships it", "yours", n=1)
        show.text("".join(change))

    def edit_facts(self, overlay: Overlay, run: Mapping[str, Any], rebuilt: Run) -> dict[str, Any]:
        """Return what a record says of an edited overlay: the run with its own lines, and how long the rebuild took."""
        lines = {"lines": list(run["lines"])[:MAX_LINES]}
        return {**self.facts(overlay), "run": {**witness.facts(run), **lines}, "rebuild_s": round(rebuilt.seconds, 1)}

    def restore(self, overlay: Overlay) -> None:
        """Put the source file back as vLLM ships it; a changed one is kept beside it as `<name>.yours`."""
        self._keep_yours(overlay)
        shipped = original(overlay.site.source)
        if overlay.source.read_bytes() != shipped.read_bytes():
            try:
                shutil.copyfile(shipped, overlay.source)
            except OSError as error:
                raise explain_os_error(error, f"restoring {overlay.source.name}") from None
            show.text(f"{overlay.site.source} is as vLLM ships it again.")

    def _keep_yours(self, overlay: Overlay) -> None:
        """Keep a file that the learner has changed by hand: `<name>.yours`, or with a number when there is one already."""
        text = overlay.source.read_text()
        if text in (self._inserted, original(overlay.site.source).read_text()):
            return
        kept = [overlay.source.with_name(f"{overlay.source.name}.yours{number or ''}") for number in range(100)]
        place = next(path for path in kept if not path.exists() or path.read_text() == text)
        place.write_text(text)
        show.text(f"Your version of {overlay.site.source} is kept as {place.name}.")

    def _original(self, overlay: Overlay) -> tuple[str, int]:
        """The source file as vLLM ships it, and where the function's body begins in it."""
        text = original(overlay.site.source).read_text()
        op = overlay.site.operator
        name = op.function.rpartition("::")[2] if op else overlay.site.function
        starts = [start for position in names_at(text, name) if (start := body_of(text, position))]
        if not starts:
            raise LearnerMessage(f"{overlay.site.source} does not define {name}.", "Plan the overlay again.")
        return text, starts[-1]

    # One target, and the whole build

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
        facts = dataclasses.asdict(found) | {"basis": list(found.basis)}
        self.lab.record("build-forecast", facts=facts)
        return facts

    def builder(self) -> tuple[int, int]:
        """Return cores and GiB of free memory of the machine in the forecast's exercise."""
        return builder_of(self.lab.token)

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
