from pathlib import Path

from handed import Context, kept, record


def attack(submission: Path, course: Context) -> None:
    """Wants to exchange the library and leave the record as it is; the digest does not fit."""
    (submission / "evidence" / record(submission, "build-overlay")["files"][0]["path"]).write_bytes(kept(submission, "build-edit"))
