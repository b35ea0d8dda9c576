from pathlib import Path

from handed import Context, change_notebooks


def attack(submission: Path, course: Context) -> None:
    """Wants the tests to be text; the type of a cell is the released one."""
    change_notebooks(
        submission, lambda found: [cell.update(cell_type="markdown" if cell["cell_type"] == "code" else "raw") for cell in found["cells"]]
    )
