from pathlib import Path

from handed import Context, edit


def attack(submission: Path, course: Context) -> None:
    """Wants a stop of a toy program, three frames deep, to pass as one in an inference; a real stack has dozens of frames."""

    def shorten(found: dict) -> None:
        for turn in found["facts"]["turns"]:
            if turn.get("frames"):
                turn["frames"] = turn["frames"][:3]

    for record_id in ("debuggers-wheel", "debuggers-overlay"):
        edit(submission, record_id, shorten)
