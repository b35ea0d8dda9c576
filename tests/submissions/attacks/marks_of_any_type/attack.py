from pathlib import Path

from handed import Context, change_notebooks

BAD = (
    None,
    3,
    "x",
    [],
    {"nbgrader": 7},
    {"nbgrader": {"grade_id": ["x"]}},
    {"nbgrader": {"grade_id": "start-what_is_graded", "points": "NaN"}},
)


def attack(submission: Path, course: Context) -> None:
    """Wants a metadata field of the wrong type to stop the grader; what is not as it should be is not taken over."""
    strange = [{"cell_type": "code", "source": 5, "metadata": bad} for bad in BAD]
    change_notebooks(submission, lambda found: found.update(cells=[*strange, None, 3, "x", *found["cells"]], metadata=[]))
