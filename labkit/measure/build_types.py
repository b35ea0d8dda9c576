"""Part 1 of lesson 06: several builds of one function, what a call of each takes, and what of that the engine sees. The commands stay in the lesson."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labkit import show
from labkit.build.tree import wheel_folder
from labkit.checks.exercises_build_types import (
    BUILD_TYPES,
    BUILDS,
    ENGINE,
    NEW_TOKENS,
    SOURCE,
    SYMBOL,
    Speed,
    read_speed,
    tokens_of,
)
from labkit.checks.exercises_device_code import OPTIONS, label_of
from labkit.debug.mapped import identified
from labkit.elf.image import Image
from labkit.inspect_elf import inspect
from labkit.lab import Lab
from labkit.measure import device_code, variants
from labkit.measure.build_views import CALLS, call_row, plot_calls, plot_tokens, show_device
from labkit.messages import LearnerMessage, explain_os_error
from labkit.spread import spread


class BuildTypes:
    """The builds of this learner, in `work/06_exercises/builds`. Raises LearnerMessage when vLLM's source cannot be had."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.folder = lab, lab.scratch("builds")
        self.tokens = tokens_of(lab.token, lab.lane.name)
        self.libraries = [self.folder / f"{name}.so" for name in BUILD_TYPES]

    # Building

    def prepare(self) -> None:
        """Have vLLM's CMake say how it compiles the function's file; write the builds' ninja file; show the options of each build."""
        work, tree = self.lab.folder / "work", self.lab.source()
        try:
            found = variants.configured(work) or self._configure(tree)
            place = variants.Place(self.folder, tree, found, self.lab.lane, self.lab.symbol)
            options = variants.write_builds(place)
        except OSError as error:
            raise explain_os_error(error, "preparing the builds") from None
        rows = [(name, own, SOURCE[self.lab.lane.name]) for name, own in options.items()]
        show.table("What differs between the builds", ("build", "options of its own", "file"), rows)

    def _configure(self, tree: Path) -> Path:
        folder = self.lab.scratch("cmake")
        show.text("Asking vLLM's CMake how it compiles this file: up to 20 seconds, once.")
        self.lab.run(variants.configure(tree, folder, self.lab.lane), must_succeed=True, timeout=300, log="configure", quiet=True)
        return folder

    def plan(self) -> Path:
        """Return the file that says to labkit.measure.switch where the builds are. Raises LearnerMessage before they are built."""
        files = {name: self.folder / f"{name}.so" for name in (*BUILDS[self.lab.lane.name], "switch")}
        absent = [path.name for path in files.values() if not path.is_file()]
        if absent:
            raise LearnerMessage(f"{', '.join(absent)}: not built yet.", "Run the cells that prepare and build them.")
        switch = str(files.pop("switch"))
        told = {
            "lane": self.lab.lane.name,
            "symbol": SYMBOL,
            "switch": switch,
            "libraries": {name: str(path) for name, path in files.items()},
        }
        return self.lab.write_text("plan.json", json.dumps(told))

    def show_builds(self) -> None:
        """Show what each build is, from the files alone."""
        self.plan()
        rows = []
        for name in BUILDS[self.lab.lane.name]:
            found, code = inspect(self.folder / f"{name}.so"), self._code(name)
            same = "itself" if name == "Release" else "the same" if code == self._code("Release") else "other"
            rows.append((name, found.optimisation or "–", f"{found.size_bytes / 1000:.0f}", f"{len(code) / 1000:.0f}", same))
        header = ("build", "-O in force", "file, kB", "machine code, kB", "machine code compared with Release")
        show.table("The builds", header, rows)

    def _code(self, name: str) -> bytes:
        return Image((self.folder / f"{name}.so").read_bytes()).content(".text")

    # Measuring

    def facts(self, told: Mapping[str, Any]) -> dict[str, Any]:
        """Return what speed.py wrote as facts: libraries by name and build-id instead of by path."""
        names = (
            *(f"{name}.so" for name in (*BUILDS[self.lab.lane.name], "switch")),
            *(path.name for path in wheel_folder(self.lab.lane).glob("_C*.so")),
        )
        return {**told, "mapped": identified(path for path in told["mapped"] if Path(path).name in names)}

    def speed(self) -> Speed:
        """Return the recorded measurements. Raises BadEvidence or LearnerMessage when they are not there."""
        self.lab.facts("exercises-speed")
        return read_speed(self.lab.evidence.record("exercises-speed"))

    def show_calls(self) -> None:
        """Show and draw what one call takes in each build: with one token, and with the learner's number of tokens."""
        found = self.speed()
        for tokens, times in ((1, found.small), (self.tokens, found.large)):
            spreads = {name: spread(samples) for name, samples in times.items()}
            rows = [call_row(name, one, spreads["Release"]) for name, one in spreads.items()]
            show.table(f"rotary_embedding, {tokens:,} token{'s' * (tokens > 1)}", CALLS, rows)
        plot_calls({"1 token": found.small, f"{self.tokens:,} tokens": found.large})

    def show_step(self) -> None:
        """Show what the learner needs for Amdahl's law: time per token with Release, and calls per token."""
        found = self.speed()
        calls = spread(found.calls["Release"]).median / NEW_TOKENS
        if calls < 1:
            raise LearnerMessage(
                "The engine never called rotary_embedding: this model has none.", 'Run part 1 with the course\'s own model, MODEL = "auto".'
            )
        show.text(
            f"One token takes the engine {found.step * 1000:.3g} ms with Release (median), and it calls rotary_embedding {calls:g} times for it."
        )

    def show_tokens(self) -> None:
        """Show and draw tokens per second with and without the unoptimised build."""
        found = self.speed()
        rows = [
            (name, f"{x.median:.4g}", f"{x.low:.4g} to {x.high:.4g}", str(len(found.engine[name])))
            for name in ENGINE
            if (x := found.throughput(name))
        ]
        show.table("Tokens per second of the engine", ("build under it", "median", "middle half", "runs"), rows)
        plot_tokens({name: [NEW_TOKENS / seconds for seconds in found.engine[name]] for name in ENGINE})

    def outcome(self) -> dict[str, float]:
        """Return what the learner predicted, as measured: times as long for a call, and by how many percent tokens per second fell."""
        found = self.speed()
        release, debug = (found.throughput(name).median for name in ENGINE)
        return {"times": round(found.ratio, 1), "percent": round(100 * (1 - debug / release), 1)}

    # Device code

    def device_code(self) -> dict[str, dict[str, Any]]:
        """Show what nvcc's options made of this learner's instance of vLLM's kernel: live on the CUDA lane, recorded elsewhere. Record it."""
        label = label_of(self.lab.token)
        options = self._live() if self.lab.lane.name == "cuda" else device_code.recorded()["options"]
        table = {option: {"debug_sections": options[option]["debug_sections"], **options[option]["kernels"][label]} for option in OPTIONS}
        where = "compiled here" if self.lab.lane.name == "cuda" else device_code.recorded()["about"]
        show_device(f"rotary_embedding_kernel ({label}): {where}", table)
        self.lab.record("exercises-device", facts={"kernel": label, "table": dict(table)})
        return table

    def small_kernel(self) -> None:
        """Where nvcc is installed, compile a kernel of ten lines with the same options and show the same table."""
        folder = device_code.small_builds(self.lab.scratch("small"))
        if folder is None:
            show.text("No nvcc on PATH here: the table above has to do.")
            return
        self.lab.run(["ninja", "-C", folder], must_succeed=True, log="small", quiet=True)
        found = device_code.read_cubins(folder, device_code.SMALL)
        table = {option: {"debug_sections": one["debug_sections"], **one["kernels"]["rotate"]} for option, one in found.items()}
        show_device("A kernel of ten lines, compiled here", table)

    def _live(self) -> dict[str, Any]:
        folder, tree = self.lab.scratch("cubins"), self.lab.source()
        found = variants.configured(self.lab.folder / "work") or self._configure(tree)
        device_code.write_cubins(folder, variants.nvcc_of(found, tree), str(tree / SOURCE["cuda"]))
        self.lab.run(["ninja", "-C", folder], must_succeed=True, timeout=300, log="cubins", quiet=True)
        return device_code.read_cubins(folder, device_code.KERNELS)

    def show_kernel_times(self) -> None:
        """Show what the kernel takes with -G and with -lineinfo: measured here on the CUDA lane, else as recorded on a GPU."""
        if self.lab.lane.name == "cuda":
            spreads = {name: spread(samples) for name, samples in self.speed().large.items()}
            how = f"{self.tokens:,} tokens, {self.lab.lane.gpu}"
        else:
            spreads, how = device_code.recorded_times()
        rows = [(name, variants.DEVICE[name] or "–", *call_row(name, one, spreads["Release"])[1:]) for name, one in spreads.items()]
        show.table(f"The kernel on the GPU, {how}", ("build", "device option", *CALLS[1:]), rows)
