"""Where the course keeps things. Nothing is ever written outside these folders."""

import os
from pathlib import Path


def course_root() -> Path:
    """Return the course folder: the one that holds `labkit/`."""
    return Path(__file__).resolve().parent.parent


def cache() -> Path:
    """Return the folder for what can be made again (model, sdist, vLLM's own caches): `.cache/` in the course, or $LABKIT_CACHE."""
    return Path(os.environ.get("LABKIT_CACHE") or course_root() / ".cache")
