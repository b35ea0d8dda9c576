from pathlib import Path

from handed import Context, change_notebooks, marks


def attack(submission: Path, course: Context) -> None:
    """Wants an error of nbgrader's about an old or future notebook format to stop the class; nbformat never sees a submission."""
    change_notebooks(
        submission,
        lambda found: (found.update(nbformat=99, nbformat_minor="x"), [marks(cell).pop("schema_version", 0) for cell in found["cells"]]),
    )
