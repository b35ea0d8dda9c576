from pathlib import Path

from handed import Context, edit


def attack(submission: Path, course: Context) -> None:
    """Wants the samples of Debug to be those of Release times ten; such samples do not scatter as measured ones do, nor fit the answer."""

    def typed(found: dict) -> None:
        for group in found["facts"]["samples"].values():
            group["Debug"] = [10 * one for one in group["Release"]]

    edit(submission, "exercises-speed", typed)
