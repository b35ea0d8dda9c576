from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants notebooks that are none of the course's to be graded or executed; names come from the gradebook."""
    for name in ("zz", "00_start_here copy", "../zz".replace("/", "_"), "00_start_here.ipynb"):
        (submission / f"{name}.ipynb").write_bytes((submission / "00_start_here.ipynb").read_bytes())
