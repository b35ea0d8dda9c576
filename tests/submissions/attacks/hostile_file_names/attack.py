import os
from pathlib import Path

from handed import Context

NAMES = (
    "line\nbreak.ipynb",
    "\u202egpj.ipynb",
    "n" * 240 + ".ipynb",
    "-rf",
    "*",
    "=1+1.csv",
    "<img src=x>.ipynb",
    " ",
    "con.ipynb",
    "a\tb",
    "$(touch x)",
    "x.repairs.json",
)


def attack(submission: Path, course: Context) -> None:
    """Wants names with line breaks, patterns, options and bytes that are no UTF-8 to confuse whoever lists the folder."""
    for name in NAMES:
        for folder in (submission, submission / "evidence", submission / "evidence" / "files"):
            (folder / name).write_text("{}")
    (submission / "evidence" / os.fsdecode(b"\xff\xfe.json")).write_text("{}")
