"""The checks whose grade ids begin with "debuggers-"."""

from tools.as_reference import checks_of

LESSON = "debuggers"
CHECKS = checks_of(LESSON, __name__)
