"""An interrupt of the kernel, noted instead of raised: raised, it could come while a message of the debugger is being read, and lose it."""

import contextlib
import signal
import threading
from collections.abc import Iterator


class Interrupts:
    """Whether the kernel was interrupted since `noting` began, or since `pressed` was last set to False."""

    def __init__(self) -> None:
        self.pressed = False

    @contextlib.contextmanager
    def noting(self) -> Iterator[None]:
        """Note interrupts inside of the block. In a thread that is not the main one nothing changes: none comes there."""
        self.pressed = False
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, lambda *_: setattr(self, "pressed", True))
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
