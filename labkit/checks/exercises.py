"""Visible checks of lesson 06_exercises, one module per part."""

from labkit.checks import exercises_batches, exercises_build_types, exercises_markers, exercises_memory, exercises_quiz
from labkit.rows import VisibleCheck

PARTS = (exercises_build_types, exercises_markers, exercises_memory, exercises_batches, exercises_quiz)
CHECKS: dict[str, VisibleCheck] = {name: check for part in PARTS for name, check in part.CHECKS.items()}
