"""The checks whose grade ids begin with "exercises-"."""

from tools.as_reference import checks_of

LESSON = "exercises"
CHECKS = checks_of(LESSON, __name__)
