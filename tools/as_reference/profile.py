"""The checks whose grade ids begin with "profile-"."""

from tools.as_reference import checks_of

LESSON = "profile"
CHECKS = checks_of(LESSON, __name__)
