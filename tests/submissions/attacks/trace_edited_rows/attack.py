from dataclasses import replace
from pathlib import Path

from handed import Context, keep, kept

from labkit.trace import extract


def attack(submission: Path, course: Context) -> None:
    """Wants shorter decode steps by editing the trace's rows; the script's own clock says otherwise."""
    trace = extract.parse(kept(submission, "profile-trace"))
    ranges = tuple(span._replace(end=span.start + (span.end - span.start) // 3) for span in trace.ranges)
    keep(submission, "profile-trace", extract.packed(replace(trace, ranges=ranges)))
