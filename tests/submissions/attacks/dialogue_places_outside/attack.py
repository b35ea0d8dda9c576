from pathlib import Path

from handed import Context, edit


def attack(submission: Path, course: Context) -> None:
    """Wants stops at addresses that the function does not have to count; the lines are outside of it in vLLM's source."""

    def move(found: dict) -> None:
        for turn in found["facts"]["turns"]:
            for frame in turn.get("frames", [])[:1]:
                if frame[1].endswith("utils.cpp"):
                    frame[2] += 4000

    edit(submission, "debuggers-overlay", move)
