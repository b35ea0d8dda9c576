from pathlib import Path

from handed import Context, edit


def attack(submission: Path, course: Context) -> None:
    """Wants one good repeat to count three times; no two repeats take the very same time."""

    def copied(found: dict) -> None:
        for size, pairs in found["facts"]["samples"].items():
            found["facts"]["samples"][size] = [pairs[0]] * 3
            timed = [call for call in found["facts"]["calls"] if call["size"] == int(size)][-3:]
            for call in timed:
                call.update(seconds=timed[0]["seconds"], stamps=timed[0]["stamps"])

    edit(submission, "exercises-sweep", copied)
