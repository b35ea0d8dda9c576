"""Which traces lesson 05 is about: the learner's own, and the GPU's, which is the learner's own too or the recorded one."""

import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from labkit.evidence import BadEvidence, Evidence, Missing
from labkit.learner import pick
from labkit.records import Record
from labkit.settled import once
from labkit.trace import extract
from labkit.trace.analysis import steps
from labkit.trace.errors import BadTrace
from labkit.trace.model import Range, Trace

FOLDER = Path(__file__).parent.parent / "trace" / "recorded"
FIRST_STEP, STEPS = 3, 7  # a learner looks at one of the decode steps 3 to 9
MOST_STEPS = 100  # of a profiled request: their extract still fits into evidence
MOST_KEPT_EVENTS = 100_000  # of a trace that stays parsed for a submission's next check; the course's have 46,000
LEAST_STEPS = 12  # of a profiled request: the step that a learner looks at has a next one


class Profiled(NamedTuple):
    """A trace, and what the script that was profiled wrote down of its run."""

    trace: Trace
    facts: dict[str, Any]

    @property
    def label(self) -> str:
        """The word before the number in the ranges of the steps."""
        return str(self.facts.get("label", ""))

    @property
    def steps(self) -> list[Range]:
        """The ranges of the steps; number 0 is the prefill."""
        return steps(self.trace, self.label)


def step_of(token: str) -> int:
    """Return the number of the decode step that a learner looks at."""
    return FIRST_STEP + pick(token, "profile step", STEPS)


def own(evidence: Evidence, record_id: str = "profile-trace") -> tuple[Record, Profiled]:
    """Return the learner's record and the trace that it keeps. Raises Missing or BadEvidence."""
    record = evidence.record(record_id)
    if len(record.files) != 1:
        raise BadEvidence(f"{record_id}.json: {len(record.files)} files. Expected one trace. Run the cell that records it again.")
    try:
        found = Profiled(parsed(evidence.file(record.files[0])), dict(record.facts))
    except BadTrace as bad:
        raise BadEvidence(str(bad)) from None
    if len(found.steps) > MOST_STEPS:
        raise BadEvidence(
            f"{record_id}.json: {len(found.steps)} steps. Expected at most {MOST_STEPS}. Set MAX_TOKENS back to {LEAST_STEPS}."
        )
    return record, found


def of_gpu(evidence: Evidence, mode: str = "eager") -> Profiled:
    """Return the GPU's profile of a mode: the learner's own by nsys where it has enough steps, the recorded one otherwise. Raises BadEvidence.

    A trace by torch.profiler does not say how fast the card's memory is, so the last question could not be asked of it.
    """
    try:
        _, found = own(evidence, "profile-trace" if mode == "eager" else f"profile-{mode}")
        device = found.trace.device
        if device is not None and device.bandwidth and found.trace.work and len(found.steps) >= LEAST_STEPS:
            return found
    except Missing:
        pass
    return recorded(mode)


def with_sizes(found: Profiled) -> Profiled:
    """Return the profile if it says how large the model and a token's keys and values are, else the recorded one."""
    sizes = [found.facts.get(name) for name in ("prompt_tokens", "weight_bytes", "kv_bytes_per_token")]
    return found if all(type(size) is int and 0 < size < 10**13 for size in sizes) else recorded("eager")


@cache
def recorded(name: str) -> Profiled:
    """Return a recording by name: "eager", "graphs", "asynchrony"."""
    return Profiled(parsed((FOLDER / f"{name}.trace.json.gz").read_bytes()), recorded_facts().get(name, {}))


@cache
def recorded_facts() -> dict[str, Any]:
    """Return what was written down of the recorded runs, by name."""
    return dict(json.loads((FOLDER / "facts.json").read_text()))


def _small(trace: Trace) -> bool:
    return len(trace.ops) + len(trace.work) + len(trace.calls) + len(trace.ranges) <= MOST_KEPT_EVENTS


@once(_small)
def parsed(data: bytes) -> Trace:
    """Return the trace of an extract that anyone may have made, read once for the same file of a shelf. Raises BadTrace."""
    return extract.parse(data)
