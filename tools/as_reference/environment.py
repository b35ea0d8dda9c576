"""The checks whose grade ids begin with "environment-"."""

from tools.as_reference import checks_of

LESSON = "environment"
CHECKS = checks_of(LESSON, __name__)
