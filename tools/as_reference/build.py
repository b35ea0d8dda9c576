"""The checks whose grade ids begin with "build-"."""

from tools.as_reference import checks_of

LESSON = "build"
CHECKS = checks_of(LESSON, __name__)
