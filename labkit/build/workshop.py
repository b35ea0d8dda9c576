"""What lesson 02 works with: the learner's source tree, its overlays, and tables of what they are. The commands stay in the lesson."""

import dataclasses
import difflib
import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from labkit import show
from labkit.build import kept, witness
from labkit.build.builds import Builds
from labkit.build.find import body_of, names_at, with_statements
from labkit.build.linker import Linker, listening
from labkit.build.locate import locate
from labkit.build.overlay import DEFAULTS, Options, Overlay, plan
from labkit.build.tree import original, wheel_folder
from labkit.checks.build import overlay_rows, provider
from labkit.inspect_elf import inspect, where
from labkit.lab import Lab
from labkit.messages import LearnerMessage, explain_os_error
from labkit.runner import Run

MIB = 1024 * 1024
MAX_LINES = 2000  # of a function that reports each of its calls


class Workshop(Builds):
    """The learner's source tree and build folders, in `work/` beside the notebooks. Raises LearnerMessage when the source cannot be had."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab)
        self._inserted = ""  # the source file as `insert` left it

    # What is installed

    def libraries(self, function: str) -> dict[str, Any]:
        """Show what the installed libraries let a debugger see, and where `function` begins; record it and return it."""
        if self.lab.lane.name == "cpu":  # there vLLM picks one by the processor, and only vLLM itself can say which
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
            if overlay.source.read_text() == text:
                kept.keep(overlay.build, overlay.source, overlay.library)
            overlay.source.write_text(with_statements(text, start, statements))
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
                if not (as_before := kept.put_back(overlay.build, overlay.source, overlay.library)):
                    shutil.copyfile(shipped, overlay.source)
            except OSError as error:
                raise explain_os_error(error, f"restoring {overlay.source.name}") from None
            also = ", and so is what was built of it" if as_before else ""
            show.text(f"{overlay.site.source} is as vLLM ships it again{also}.")

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
