from pathlib import Path

from handed import Context, keep, kept


def attack(submission: Path, course: Context) -> None:
    """Wants a library made elsewhere to carry this learner's build-id; the runs mapped another one."""
    data = kept(submission, "build-overlay")
    mine = bytes.fromhex("c837da860832d6f2f57d49e2bc475edb6923697a")
    assert mine in data
    keep(submission, "build-overlay", data.replace(mine, bytes(reversed(mine))))
