"""What the set-up needs of a machine before it starts, and which lane fits it. Standard library only."""

import importlib.util
import os
import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

DRIVER = Path("/proc/driver/nvidia/version")


@dataclass(frozen=True)
class Need:
    """A program the course calls, why, and the packages that bring it."""

    name: str
    why: str
    apt: str
    dnf: str


TOOLS = (
    Need("git", "the lessons look at vLLM's history and status with it", "git", "git"),
    Need("make", "starts every part of the course", "make", "make"),
    Need("g++", "compiles vLLM's own C++ with debug information", "g++", "gcc-c++"),
    Need("gdb", "stops inside it", "gdb", "gdb"),
)
# Debian and Ubuntu split this off: `import venv` works there, and making one fails.
VENV = Need("venv", "keeps the course's packages apart from the system's", f"python3.{sys.version_info[1]}-venv", "python3-pip")


def missing(needs: tuple[Need, ...]) -> list[Need]:
    """The needed programs that PATH lacks, and venv where Python cannot make one."""
    absent = [need for need in needs if shutil.which(need.name) is None]
    return absent if importlib.util.find_spec("ensurepip") else [*absent, VENV]


def install_command(absent: list[Need]) -> str:
    """One command that brings everything that is missing."""
    sudo = "" if os.geteuid() == 0 else "sudo "
    if shutil.which("apt-get"):
        return f"{sudo}apt-get update && {sudo}apt-get install -y {' '.join(need.apt for need in absent)}"
    if shutil.which("dnf"):
        return f"{sudo}dnf install -y {' '.join(need.dnf for need in absent)}"
    return f"install with your package manager: {', '.join(need.apt for need in absent)}"


def _platform_problem() -> list[str]:
    seen = f"{platform.system()} on {platform.machine()}"
    if seen == "Linux on x86_64":
        return []
    return [
        f"Machine: {seen}. Expected Linux on x86_64: vLLM's wheels are built for it. On Windows use WSL 2; else a Linux machine or container."
    ]


def _disk_problem(folder: Path, gigabytes: float) -> list[str]:
    free = shutil.disk_usage(folder).free / 1e9
    if free >= gigabytes:
        return []
    return [
        f"Disk: {free:.1f} GB free in {folder}. Expected {gigabytes:.1f} GB for what is still to install. Free some, or clone elsewhere."
    ]


def _tool_problems(needs: tuple[Need, ...]) -> list[str]:
    absent = missing(needs)
    lines = [f"{need.name}: not found. It {need.why}." for need in absent]
    return [*lines, f"Next: {install_command(absent)}"] if absent else []


def problems(folder: Path, gigabytes: float, needs: tuple[Need, ...]) -> list[str]:
    """Everything that stands in the way, all at once, each with what to do; nothing when the machine will do."""
    return _platform_problem() + _disk_problem(folder, gigabytes) + _tool_problems(needs)


def lane_problem(lane: str) -> str:
    """What to say about the CUDA lane on a machine without a driver: 8.5 GB for nothing; empty when lane and machine fit."""
    if lane != "cuda" or DRIVER.exists() or shutil.which("nvidia-smi"):
        return ""
    return (
        f"Lane cuda: no NVIDIA driver here (neither {DRIVER} nor nvidia-smi). Expected a machine with a CUDA GPU. Next: make setup LANE=cpu"
    )


def lane(asked: str, earlier: str) -> tuple[str, str]:
    """The lane to set up and the reason: what was asked, else what is set up already, else what the machine has."""
    if asked != "auto":
        return asked, "asked for with --lane"
    if earlier:
        return earlier, "set up earlier; --lane changes it"
    if DRIVER.exists():
        return "cuda", f"an NVIDIA driver is loaded ({DRIVER})"
    if shutil.which("nvidia-smi"):
        return "cuda", f"{shutil.which('nvidia-smi')} is installed"
    return "cpu", f"no NVIDIA driver: neither {DRIVER} nor nvidia-smi is here"
