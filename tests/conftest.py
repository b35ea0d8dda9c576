"""What every test needs."""

import signal
from collections.abc import Generator
from typing import Any

import pytest


def pytest_configure() -> None:
    """Let interrupts work where the shell that started pytest ignores them, as in `make test &`: a child inherits that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    """Make what a test printed fit for pytest-xdist, which sends it to the process that reports: a fuzzed text may have half a surrogate pair."""
    report = yield
    report.sections = [(name, text.encode(errors="replace").decode()) for name, text in report.sections]
    return report
