"""Visible check of lesson 05_nsight_systems: the nsys command."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from labkit.checks.nsys_options import listed, parsed
from labkit.evidence import Evidence
from labkit.rows import Row, row


class Asked(NamedTuple):
    """What options of a row of the lesson's table do: their values (regular expressions), what is seen with them and without, and the question about them."""

    what: str
    options: Mapping[str, str]
    yes: str
    no: str
    question: str


ASKED = (
    Asked("the CPU's stacks and thread switches", {"sample": "none", "cpuctxsw": "none"}, "not recorded", "recorded", "Two options of the table switch them off."),
    Asked("a CUDA graph", {"cuda-graph-trace": "node(:.*)?"}, "node by node", "one bar", "Which option shows the kernels inside?"),
    Asked("recording begins", {"capture-range": "cudaProfilerApi"}, "at llm.start_profile()", "elsewhere", "Which option waits for cudaProfilerStart?"),
    Asked("when the range ends", {"capture-range-end": "stop"}, "the recording stops", "something else happens", "The default ends your program, too."),
    Asked("a second run", {"force-overwrite": "true"}, "replaces the file", "fails at its end", "Which option allows to overwrite?"),
)  # fmt: skip
KNOWN = {"trace", "output"}.union(*(asked.options for asked in ASKED))


def capture_command(evidence: Evidence) -> list[Row]:
    """An nsys command that records the profiled steps, kernel by kernel, and nothing else."""
    answer = evidence.record("profile-command-answer").facts.get("answer")
    words = answer if isinstance(answer, list) else []
    program = row("program", words[:2], ["nsys", "profile"], 'A list of words, and the first two stay: ["nsys", "profile", …].')
    if not words:
        return [program]
    given, odd = parsed(words[2:])
    traced = listed(given.get("trace", "cuda,opengl,nvtx,osrt"))  # nsys's default
    return [
        program,
        row("one option per word", f"not {odd[0]!r}" if odd else "yes", "yes", 'Each as "--name=value", in quotes of its own; the program follows later.'),
        row("what is traced", sorted(traced), ["cuda", "nvtx"], "Which values does --trace need, and which only make the file larger?"),
        *(_judged(asked, given) for asked in ASKED),
        row("output", given.get("output", "").removeprefix("./").removesuffix(".nsys-rep"), "profiled", "The next cells look for profiled.nsys-rep."),
        row("other options", sorted(set(given) - KNOWN), [], "Leave out what this capture does not need."),
    ]  # fmt: skip


def _judged(asked: Asked, given: Mapping[str, str]) -> Row:
    """A row that is ok when all options have their values; one that is there with another value is named."""
    wrong = [name for name, value in asked.options.items() if not re.fullmatch(value, given.get(name, ""))]
    other = next((name for name in wrong if name in given), None)
    next_step = asked.question if other is None else f"--{other} is there, but its value is {given[other]!r}: which one has the table?"
    return row(asked.what, asked.no if wrong else asked.yes, asked.yes, next_step)
