"""The checks whose grade ids begin with "build-"."""

from as_reference.judged import judged_as_reference

CHECKS = judged_as_reference(__name__, "build")
