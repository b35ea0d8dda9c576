"""Learners who handed in the same measurements: traces of one submission, and who in a class shares them. It never changes a score."""

from grading.likeness.compare import Alike, alike, alike_with_ours, keep
from grading.likeness.known import warm
from grading.likeness.statements import TABLE
from grading.likeness.told import alike_path, load_alike, save_alike, summary_lines
from grading.likeness.traces import Trace, Traces, fingerprints

__all__ = [
    "TABLE",
    "Alike",
    "Trace",
    "Traces",
    "alike",
    "alike_path",
    "alike_with_ours",
    "fingerprints",
    "keep",
    "load_alike",
    "save_alike",
    "summary_lines",
    "warm",
]
