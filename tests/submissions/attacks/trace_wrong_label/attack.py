from dataclasses import replace
from pathlib import Path

from handed import Context, facts, keep, kept

from labkit.trace import extract


def attack(submission: Path, course: Context) -> None:
    """Wants somebody else's trace, ranges and label and all, to pass; the label follows from the learner's name."""
    trace = extract.parse(kept(submission, "profile-trace"))
    ranges = tuple(span._replace(name=span.name.replace("raven", "heron")) for span in trace.ranges)
    keep(submission, "profile-trace", extract.packed(replace(trace, ranges=ranges)))
    facts(submission, "profile-trace", label="heron")
