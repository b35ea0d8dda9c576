"""A JupyterLab of its own and a chromium to look at it, for tests/browser and tools.screenshots. Nothing of the user's is read or written."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ViewportSize

ROOT = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NO_BROWSER = (
    "no browser found: looked for $COURSE_BROWSER, " + ", ".join(BROWSERS) + ". Install one: sudo apt-get install chromium, "
    "or name it: export COURSE_BROWSER=/path/to/chrome"
)
TOKEN = "browser"  # noqa: S105 - guards a server on 127.0.0.1 that lives for minutes and holds a copy
START_SECONDS, STOP_SECONDS = 90, 20
WINDOW: "ViewportSize" = {"width": 1280, "height": 900}  # a small laptop's
# A fresh JupyterLab asks whether it may fetch news, and asks its home for updates: neither belongs into a picture or a test.
QUIET = {"@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False}}
# --no-sandbox: Debian's chromium refuses root otherwise; it only ever loads our own server. The rest keeps it from calling home.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def find_browser() -> str | None:
    """Return the browser to use, None when there is none: $COURSE_BROWSER, or the first of BROWSERS on PATH."""
    named = os.environ.get("COURSE_BROWSER")
    return shutil.which(named) if named else next(filter(None, map(shutil.which, BROWSERS)), None)


@contextlib.contextmanager
def open_browser(program: str) -> Iterator["Browser"]:
    """Start the browser without a window and end it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass(frozen=True)
class Server:
    """A running JupyterLab: `url` ends in "/", `folder` is what its file browser shows, `log` is what it prints."""

    url: str
    folder: Path
    log: Path

    def page(self, path: str = "") -> str:
        """The address of JupyterLab with a notebook open (a path below `folder`), and nothing else."""
        return f"{self.url}{f'lab/tree/{path}' if path else 'lab'}?token={TOKEN}&reset"


@contextlib.contextmanager
def jupyterlab(folder: Path, state: Path) -> Iterator[Server]:
    """Start JupyterLab on `folder`, in `folder`; end it and its kernels. `state` takes its settings, log and runtime files.

    Raises RuntimeError when it does not start.
    """
    environment = _settings(state)
    log = state / "jupyterlab.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(_command(folder), cwd=folder, env=environment, stdout=stream, stderr=stream, stdin=subprocess.DEVNULL)
    try:
        yield Server(_wait_for(process, Path(environment["JUPYTER_RUNTIME_DIR"]), log), folder, log)
    finally:
        _end(process)


def _command(folder: Path) -> list[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    more = ["--allow-root"] if os.geteuid() == 0 else []
    # the application's object on the page lets a driver ask about kernels instead of guessing from colours
    server = ["--no-browser", f"--port={port}", f"--IdentityProvider.token={TOKEN}", "--LabApp.expose_app_in_browser=True"]
    return [sys.executable, "-m", "jupyterlab", *more, *server, f"--notebook-dir={folder}"]


def _settings(state: Path) -> dict[str, str]:
    """The surroundings of a JupyterLab that has never been used, in `state`."""
    folders = {
        "JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "runtime", "IPYTHONDIR": "ipython",
        "JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    }  # fmt: skip
    for name in folders.values():
        (state / name).mkdir(parents=True)
    for plugin, settings in QUIET.items():
        target = state / "settings" / f"{plugin}.jupyterlab-settings"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(settings))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "PYTEST"))}
    return kept | {name: str(state / folder) for name, folder in folders.items()}


def _wait_for(process: subprocess.Popen[bytes], runtime: Path, log: Path) -> str:
    """Return the server's address as soon as it has written it down: it listens by then."""
    until = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        for path in runtime.glob(f"jpserver-{process.pid}.json"):
            with contextlib.suppress(ValueError):  # half written
                return str(json.loads(path.read_text())["url"])
        time.sleep(0.05)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text(errors='replace')[-3000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask it to stop, which ends its kernels; then end what is left."""
    family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    for child in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    process.kill()
    process.wait()
