"""The checks whose grade ids begin with "start-"."""

from tools.as_reference import checks_of

LESSON = "start"
CHECKS = checks_of(LESSON, __name__)
