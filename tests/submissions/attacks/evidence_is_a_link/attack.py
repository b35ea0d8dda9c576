from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants evidence/ to be the neighbour's; judged under the neighbour's very name it still must not be read through a link."""
    (submission / "evidence").symlink_to(course.neighbour / "evidence")
