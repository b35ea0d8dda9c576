"""What every test needs."""

import signal


def pytest_configure() -> None:
    """Let interrupts work where the shell that started pytest ignores them, as in `make test &`: a child inherits that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
