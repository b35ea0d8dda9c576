"""Visible checks of lesson 06_exercises."""

from labkit.rows import VisibleCheck

CHECKS: dict[str, VisibleCheck] = {}
