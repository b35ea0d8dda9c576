"""What lesson 05 works with: it runs nsys, reads what was recorded, and keeps of it what evidence may hold. The commands stay in the lesson."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from labkit import show
from labkit.checks.profile_traces import (
    FOLDER,
    LEAST_STEPS,
    MOST_STEPS,
    Profiled,
    of_gpu,
    own,
    recorded,
    recorded_facts,
    step_of,
    with_sizes,
)
from labkit.evidence import BadEvidence
from labkit.lab import Lab
from labkit.messages import LearnerMessage
from labkit.profile.bound import model_bytes
from labkit.profile.estimate import Estimate
from labkit.profile.nsys_tool import HOW_TO, find_nsys
from labkit.profile.steps import spans
from labkit.runner import Run
from labkit.trace import extract, nsys, torch_profiler
from labkit.trace.analysis import steps
from labkit.trace.errors import BadTrace
from labkit.trace.model import Trace

STEADY = [
    "--force-overwrite=true", "--trace=cuda,nvtx", "--sample=none", "--cpuctxsw=none", "--cuda-graph-trace=node",
    "--capture-range=cudaProfilerApi", "--capture-range-end=stop",
]  # fmt: skip
BYTES = {"float16": 2, "bfloat16": 2, "float32": 4}


class Profiling:
    """The profiler of one lesson. `profiler` is "nsys" where the lane has a GPU and nsys is installed, "torch" elsewhere.

    Raises LearnerMessage for a number of tokens that the lesson cannot work with: each is a step, and evidence has a size.
    """

    def __init__(self, lab: Lab, max_tokens: int = LEAST_STEPS) -> None:
        if type(max_tokens) is not int or not LEAST_STEPS <= max_tokens <= MOST_STEPS:
            raise LearnerMessage(f"MAX_TOKENS is {max_tokens!r}.", f"Use a whole number from {LEAST_STEPS} to {MOST_STEPS}.")
        self.lab = lab
        self.nsys = find_nsys() if lab.lane.name == "cuda" else None
        self.profiler = "nsys" if self.nsys else "torch"
        self.step = step_of(lab.token)

    def introduce(self) -> None:
        """Say which profiler serves here, and what belongs to this learner."""
        if self.nsys:
            show.text(f"Profiler: {self.nsys}")
        elif self.lab.lane.name == "cuda":
            show.text(f"Profiler: torch.profiler, with GPU work. {HOW_TO}")
        else:
            show.text("Profiler: torch.profiler. There is no GPU here, so the GPU's profile is a recording of an H100.")
        show.text(f"Your label: {self.lab.word('profile label')}. Your decode step: number {self.step}.")

    # Recording

    def read(self, stem: str) -> Trace:
        """Read what the last run recorded: nsys's export `<stem>.sqlite`, or torch.profiler's newest trace. Raises LearnerMessage."""
        folder = self.lab.scratch()
        try:
            if self.nsys:
                return nsys.read(self._there(folder / f"{stem}.sqlite"), progress=_say_rows)
            traces = sorted(folder.glob("rank*.pt.trace.json.gz"), key=lambda path: path.stat().st_mtime)
            for older in traces[:-1]:  # torch never overwrites: half a megabyte more with each run
                older.unlink()
            return torch_profiler.read(self._there(traces[-1] if traces else folder / "rank0.pt.trace.json.gz"))
        except BadTrace as bad:
            raise LearnerMessage(str(bad), f"Did the run above end well? Its log is in work/{self.lab.lesson}/logs.") from None

    def keep(self, record_id: str, trace: Trace, *, run: Run, facts: Mapping[str, JsonValue]) -> None:
        """Record an extract of a trace: its steps, and no more than the steps. Without ranges of the learner's own it holds no events."""
        found = steps(trace, str(facts.get("label", "")))
        kept = extract.cut(trace, found) if found else Trace(trace.tool, trace.device, (), (), ())
        target = self.lab.scratch() / "extract.trace.json.gz"
        try:
            extract.write(kept, target)
        except BadTrace as bad:
            raise LearnerMessage(str(bad), "Is MAX_TOKENS as small as the lesson has it?") from None
        self.lab.record(record_id, run=run, files=[target], facts=self._sized(run, facts))
        if not found:
            spans(trace, str(facts.get("label", "")))  # says which ranges there are
            show.text("Fill the gap in profiled.py (a range needs `with`), then run its cell and this one again.")

    def capture(self, record_id: str, program: Sequence[object]) -> Profiled:
        """Profile a program of this lesson with nsys; where there is none, return the recording of it and say so."""
        name = record_id.removeprefix("profile-")
        if not self.nsys:
            show.text(f"Recorded on {_machine()}: {name}.")
            return recorded(name)
        stem, words = self.lab.scratch() / name, [str(part) for part in program]
        command = [self.nsys, "profile", f"--output={stem}", *STEADY, *words]
        run = self.lab.run(command, env={"VLLM_NVTX_SCOPES_FOR_PROFILING": "1"}, log=name, timeout=400, must_succeed=True)
        self.lab.run(
            [self.nsys, "export", "--type=sqlite", "--force-overwrite=true", f"--output={stem}.sqlite", f"{stem}.nsys-rep"],
            log=f"{name}-export", quiet=True, must_succeed=True,
        )  # fmt: skip
        trace = self.read(name)
        if not words[-1].endswith(".json"):
            return Profiled(trace, {})
        facts = self._sized(run, json.loads((self.lab.scratch() / words[-1]).read_text()))
        self.keep(record_id, trace, run=run, facts=facts)
        return Profiled(trace, facts)

    # What was recorded

    def own(self) -> Profiled:
        """Return this learner's trace and what the script wrote down, from the evidence. Raises LearnerMessage."""
        try:
            return own(self.lab.evidence)[1]
        except BadEvidence as bad:
            raise LearnerMessage(str(bad), "Run the cell of step 2 that profiles.") from None

    def gpu(self, mode: str = "eager") -> Profiled:
        """Return the GPU's profile of a mode: the learner's own, or the recorded one, and say which. Raises LearnerMessage."""
        try:
            found = of_gpu(self.lab.evidence, mode)
        except BadEvidence as bad:
            raise LearnerMessage(str(bad), "Run the cell that profiles again.") from None
        show.text(f"Recorded on {_machine()}." if found is recorded(mode) else f"Your own profile ({mode}).")
        return found

    def show_captures(self) -> list[dict[str, Any]]:
        """Show how long six captures took and how large they became, and return the rows."""
        noted = captures()
        rows = [
            (c["letter"], c["run"], c["options"], c["recorded"], f"{c['seconds']:.0f} s", f"{c['bytes'] / 1e6:.2f} MB")
            for c in noted["rows"]
        ]
        header = ("row", "vLLM", "nsys profile …", "what was recorded", "took", "file")
        show.table(f"Captures of 12 tokens on {noted['machine']} (a, e and f ran at the same time)", header, rows)
        return list(noted["rows"])

    def estimate(self, found: Profiled) -> Estimate:
        """Return what the floor of this learner's decode step is computed from."""
        sized = with_sizes(found)
        if sized is not found:
            show.text("The estimate does not know this kind of model (llama, mistral and opt): the question is about the recorded run.")
        return Estimate.of(sized, self.step)

    def _sized(self, run: Run, facts: Mapping[str, JsonValue]) -> dict[str, Any]:
        return {**facts, **_sizes(run.command, self.lab.lane.dtype)}

    @staticmethod
    def _there(path: Path) -> Path:
        if not path.is_file():
            raise LearnerMessage(f"There is no {path.name}.", "Run the cell that profiles first, to its end.")
        return path


def _sizes(command: Sequence[str], dtype: str) -> dict[str, int]:
    """Return the model's bytes as its config.json has them, {} for a model that the estimate does not know: then the recording serves for it."""
    script = next(i for i, part in enumerate(command) if part.endswith(".py"))  # the model's folder is the word after it
    try:
        weights, cache = model_bytes(json.loads((Path(command[script + 1]) / "config.json").read_text()), BYTES[dtype])
    except (OSError, ValueError, KeyError, LearnerMessage):
        return {}
    return {"weight_bytes": weights, "kv_bytes_per_token": cache, "dtype_bytes": BYTES[dtype]}


def captures() -> dict[str, Any]:
    """Return what was noted of captures with other options than the lesson's."""
    return dict(json.loads((FOLDER / "captures.json").read_text()))


def _machine() -> str:
    return str(recorded_facts()["machine"])


def _say_rows(done: int, total: int) -> None:
    if total > 1_000_000 and done == 0:
        show.text(f"Reading {total:,} rows …")
