from pathlib import Path

from handed import REPOSITORY, Context, keep


def attack(submission: Path, course: Context) -> None:
    """Wants the recording that comes with the course to pass as the learner's own; label, machine and command are others."""
    keep(submission, "profile-trace", (REPOSITORY / "labkit" / "trace" / "recorded" / "eager.trace.json.gz").read_bytes())
