from pathlib import Path

from handed import Context, change_notebooks, marks


def attack(submission: Path, course: Context) -> None:
    """Wants full marks by a grade cell that ends in a negative number or a text, which nbgrader takes for full; its text is put back."""
    values = iter([-1, '"full"', "float('nan')", "10**9", "None"] * 40)
    change_notebooks(
        submission, lambda found: [cell.update(source=f"{next(values)}") for cell in found["cells"] if marks(cell).get("grade")]
    )
