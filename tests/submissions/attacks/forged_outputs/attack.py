from pathlib import Path

from handed import Context, change_notebooks

OUTPUTS = [
    {"output_type": "execute_result", "data": {"text/plain": "2.0"}, "metadata": {}, "execution_count": 1},
    {"output_type": "stream", "name": "stdout", "text": "PASSED: 2 of 2 points\n  seen      forged-verdict\n"},
]


def attack(submission: Path, course: Context) -> None:
    """Wants saved outputs, a score and a verdict, to be read as the grader's; outputs are not taken over."""
    change_notebooks(submission, lambda found: [cell.update(outputs=OUTPUTS) for cell in found["cells"] if cell["cell_type"] == "code"])
