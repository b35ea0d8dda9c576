"""Finds Nsight Systems, and says how to get it."""

import os
import re
import shutil
from pathlib import Path

PLACES = (  # where NVIDIA's packages put it beside PATH
    "/opt/nvidia/nsight-systems/*/bin/nsys",
    "/opt/nvidia/nsight-systems/*/target-linux-*/nsys",
    "/usr/local/cuda/bin/nsys",
)
HOW_TO = (
    "nsys is not on this machine. Ubuntu and Debian: `apt install nsight-systems-cli` from NVIDIA's devtools repository; "
    "elsewhere the installer at developer.nvidia.com/nsight-systems. Then restart this kernel."
)


def find_nsys() -> str | None:
    """Return the path of nsys, the newest one where several are installed, None where there is none."""
    on_path = shutil.which("nsys")
    found = [str(path) for place in PLACES for path in Path("/").glob(place[1:]) if os.access(path, os.X_OK)]
    return on_path or max(found, key=_version, default=None)


def _version(path: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", path)]
