"""The checks whose grade ids begin with "inference-"."""

from tools.as_reference import checks_of

LESSON = "inference"
CHECKS = checks_of(LESSON, __name__)
