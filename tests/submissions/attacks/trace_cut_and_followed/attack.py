from pathlib import Path

from handed import Context, keep, kept


def attack(submission: Path, course: Context) -> None:
    """Wants half a trace, and a trace with a program behind it, to pass; an extract is one whole gzip stream and nothing else."""
    keep(submission, "profile-trace", kept(submission, "profile-trace")[:90_000])
    keep(submission, "exercises-markers-trace", kept(submission, "exercises-markers-trace") + b"#!/bin/sh\n")
