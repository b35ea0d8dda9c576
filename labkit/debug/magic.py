"""Cell magics: what is typed in a cell that begins with %%gdb goes to the debugger session that is open."""

import re
import sys
from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from labkit.messages import LearnerMessage

NAME = re.compile(r"\{([A-Z][A-Z0-9_]*)\}")
Opened = TypeVar("Opened", bound="Session")


class Session(Protocol):
    """What a magic types into."""

    def cell(self, text: str) -> None:
        """Type a cell's commands and show the answers."""

    def close(self) -> None:
        """End the debugger."""


class Dialogue:
    """The one open session of a debugger, and its cell magic `%%<name>`. `opener` says how a learner opens one."""

    def __init__(self, name: str, opener: str) -> None:
        self._name, self._opener = name, opener
        self._session: Session | None = None
        self._shell = _shell()
        if self._shell is not None:
            self._shell.register_magic_function(self._typed, "cell", self._name)

    def _typed(self, _line: str, cell: str) -> None:
        if self._session is None:
            raise LearnerMessage(f"No {self._name} session is open.", f"Run {self._opener} first, then this cell.")
        self._session.cell(filled(cell, self._shell.user_ns if self._shell else {}))

    def opened(self, session: Opened) -> Opened:
        """Make a session the one that cells type into."""
        self._session = session
        return session

    def close(self) -> None:
        """End the open session, if there is one."""
        if self._session is not None:
            self._session.close()
        self._session = None


def filled(text: str, values: Mapping[str, object]) -> str:
    """Put a notebook's variables into a cell's text: `{NAME}`, in capitals. Raises LearnerMessage without such a variable."""
    missing = next((name for name in NAME.findall(text) if name not in values), "")
    if missing:
        raise LearnerMessage(f"{{{missing}}} is no variable of this notebook.", "Run the cell that sets it, or write out what you mean.")
    return NAME.sub(lambda found: str(values[found[1]]), text)


def _shell() -> Any:
    """The notebook's IPython, None outside of a notebook."""
    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython

    return get_ipython()
