"""What every test needs."""

import signal
from collections.abc import Generator
from typing import Any

import pytest


def pytest_configure() -> None:
    """Let interrupts work where the shell that started pytest ignores them, as in `make test &`: a child inherits that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In pytest-xdist's processes begin with the files that may take longest: begun last, such a file would leave the other process idle."""
    if not hasattr(config, "workerinput"):
        return
    longest = {item.path: 0.0 for item in items}
    for item in items:
        longest[item.path] = max(longest[item.path], *(mark.args[0] for mark in item.iter_markers("timeout")), 0.0)
    items.sort(key=lambda item: -longest[item.path])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    """Make what a test printed fit for pytest-xdist, which sends it to the process that reports: a fuzzed text may have half a surrogate pair."""
    report = yield
    report.sections = [(name, text.encode(errors="replace").decode()) for name, text in report.sections]
    return report
