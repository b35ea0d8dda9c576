"""The wheel that the installed vLLM came from, as a file: an editable install takes its compiled libraries out of it."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from labkit.build.tree import DISTRIBUTION, wheel_folder
from labkit.lane import Lane
from labkit.messages import LearnerMessage, explain_os_error, no_words
from labkit.paths import cache, course_root
from labkit.pins import VLLM


def fetch_wheel(lane: Lane, say: Callable[[str], object] = no_words) -> Path:
    """Return the lane's vLLM wheel in the course's cache, fetched once (cpu: 130 MB, cuda: 500 MB) and checked against the lock's hashes.

    Raises LearnerMessage when the package index does not give it, or the disk is full.
    """
    wheel_folder(lane)
    folder, name = cache() / "wheels", DISTRIBUTION[lane.name]
    pattern = f"{name.replace('-', '_')}-{VLLM}-*.whl"
    if not (found := sorted(folder.glob(pattern))):
        say(f"Fetching {name} {VLLM} once more, as a file.")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _download(_locked(lane, name), folder)
        except OSError as error:
            raise explain_os_error(error, f"fetching {name}") from None
        found = sorted(folder.glob(pattern))
    if not found:
        raise LearnerMessage(
            f"The package index did not give {name} {VLLM}.", f"Check the network, or put the wheel into {folder} by hand."
        )
    return found[0]


def _locked(lane: Lane, name: str) -> str:
    """The lock's entry: the requirement and its hashes."""
    text = (course_root() / "requirements" / f"{lane.name}.txt").read_text()
    entry = re.search(rf"^{re.escape(name)}=={re.escape(VLLM)}(?:[^\n]*\\\n)*[^\n]*", text, re.MULTILINE)
    return entry.group(0) if entry else f"{name}=={VLLM}"


def _download(requirement: str, folder: Path) -> None:
    wanted = folder / "wanted.txt"
    wanted.write_text(requirement + "\n")
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-cache-dir",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--dest",
        str(folder),
        "--requirement",
        str(wanted),
    ]
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    wanted.unlink()
